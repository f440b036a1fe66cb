"""The exam station: gives theory and practical tests to the candidate PCs of one room."""

__version__ = "0.1.0"
