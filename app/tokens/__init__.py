"""What a token is asked for, what it may grant, and how it is signed; imports nothing else of the service."""
