"""The peers: the same endpoint, as others would write it."""
