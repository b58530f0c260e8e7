"""The token service, without HTTP."""
