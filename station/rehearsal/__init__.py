"""Simulated candidates and staff, and a whole exam day held with them, fast or in real time.

Nothing here reads the station's store while a day runs: it is real HTTP from other processes. What the
simulated candidates should earn is worked out by `expected`, apart from the station's marking.
"""
