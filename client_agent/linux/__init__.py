"""The agent on Linux. Only the command line imports this package."""
