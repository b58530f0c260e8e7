"""What LiveKit's server takes at most, as it is delivered; an operator can set other limits there."""

LEEWAY_SECONDS = 60
"""How long before its time, and after it, a token is still accepted."""

ROOM_BYTES = IDENTITY_BYTES = NAME_BYTES = 256
METADATA_BYTES = 512 << 10
ATTRIBUTES_BYTES = 64 << 10
"""Names and values together."""
