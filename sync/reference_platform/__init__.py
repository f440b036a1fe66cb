"""A small central platform: takes packages, checks, opens and shows them, and gives signed receipts.

For demonstrations, tests and pilots. It keeps everything in one folder, runs as one process, and has one duty
desk behind one code. `python -m sync platform --folder DIR` starts it.
"""
