"""Faults that an operator can have played against a throw-away station (`exam-station drill`)."""
