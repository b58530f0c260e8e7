"""How a group of settings is read from the environment, and what is said of values that cannot be used."""

from typing import Annotated, Any, Self

from pydantic import BeforeValidator, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from app.settings.environment import is_vault_reference

# What pydantic finds, in words for an operator; {} is what pydantic knows of the limit.
_WORDS = {
    "bool_parsing": "must be true or false",
    "float_parsing": "must be a number",
    "greater_than": "must be more than {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "must be a whole number of fewer digits",
    "less_than_equal": "must be at most {le:g}",
    "literal_error": "must be {expected}",
    "string_type": "must be text in UTF-8",
    "string_too_short": "must not be blank",
    "string_too_long": "must be at most {max_length} characters",
    "string_unicode": "must be text in UTF-8",
    "value_error": "{error}",
}


class InvalidSettings(Exception):
    """The environment cannot be used; the message says which variables to change, never their values."""


class Group(BaseSettings):
    """Settings that belong together. A field is the environment variable of the same name.

    An empty variable counts as one that is not set.
    """

    model_config = SettingsConfigDict(
        frozen=True, hide_input_in_errors=True, env_ignore_empty=True, str_strip_whitespace=True
    )

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_vault_references(cls, value: object) -> object:
        # Most would be taken for what they are not, an audience, say; none is what the operator meant.
        if is_vault_reference(value):
            raise ValueError(
                "is a Key Vault reference that was not resolved; the app's identity must be able to read the "
                "vault's secrets"
            )
        return value

    @classmethod
    def from_environment(cls) -> Self:
        """Read the environment.

        Raises:
            InvalidSettings: a variable has a value that cannot be used.
        """
        try:
            return cls()
        except ValidationError as error:
            faults = error.errors(include_input=False, include_url=False)
            raise InvalidSettings("\n".join(map(in_words, faults))) from None


def split(value: object) -> object:
    """Split a text at its commas; leave anything else as it is."""
    if not isinstance(value, str):
        return value
    return tuple(item.strip() for item in value.split(",") if item.strip())


# NoDecode: pydantic-settings would have the operator write JSON.
CommaSeparated = Annotated[tuple[str, ...], NoDecode, BeforeValidator(split)]
# Not `CommaSeparated | None`: pydantic-settings overlooks a NoDecode inside a union.
CommaSeparatedIfSet = Annotated[tuple[str, ...] | None, NoDecode, BeforeValidator(split)]


def in_words(fault: Any) -> str:
    """Put a fault that pydantic found into words for an operator; a fault of several variables names them."""
    words = _WORDS.get(fault["type"], fault["msg"]).format(**fault.get("ctx", {}))
    return f"{'_'.join(map(str, fault['loc'][:1])).upper()}: {words}" if fault["loc"] else words
