"""What tells callers apart, without HTTP."""
