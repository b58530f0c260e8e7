"""Who asks: what tells callers apart, and how often each may ask; may import nothing else of the service."""
