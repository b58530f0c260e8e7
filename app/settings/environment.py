"""Variables as they are written, before white space is taken away: for whoever looks for what is wrong."""

import os

_VAULT_REFERENCE = "@microsoft.keyvault"


def as_written(name: str) -> str | None:
    """Find a variable, in capitals or not, as the settings do; None: it is not set."""
    return next((value for key, value in os.environ.items() if key.upper() == name), None)


def colours_are_refused() -> bool:
    """Tell whether the user of a terminal wants no colours: https://no-color.org."""
    return bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"


def is_vault_reference(value: object) -> bool:
    """Tell whether a value is a Key Vault reference, which Azure leaves there if it cannot resolve it.

    One that is not written as Azure wants it, in quotation marks, say, is left there for that very reason.
    """
    return isinstance(value, str) and _VAULT_REFERENCE in value.lower()
