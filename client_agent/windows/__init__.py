"""The agent on Windows 7 and later. Only the command line imports this package."""
