@"%~dp0runtime\python.exe" -m client_agent %*
