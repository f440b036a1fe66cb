"""The exam station's program on every candidate PC. Python 3.8, so that it runs on Windows 7."""

__version__ = "0.1.0"
