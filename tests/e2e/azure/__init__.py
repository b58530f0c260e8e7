"""What stands in for the Azure Functions host, around its real Python workers. Knows nothing of pytest."""
