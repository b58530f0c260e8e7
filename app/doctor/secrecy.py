"""Secrets are not readable in what the doctor says, wherever they turned up."""

from collections.abc import Collection

_HIDDEN = "[secret]"
# Within a text, a shorter one is a word of it.
_LEAST_WITHIN = 8


def without_secrets(text: str, secrets: Collection[str]) -> str:
    """Replace the secrets in a text that is not cut yet: of a secret that is cut, the rest would be shown.

    Args:
        text: whatever is to be shown.
        secrets: a short one counts only where it is all of the text.
    """
    if text in secrets:
        return _HIDDEN
    # The longest first: one may be a part of another.
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= _LEAST_WITHIN:
            text = text.replace(secret, _HIDDEN)
    return text
