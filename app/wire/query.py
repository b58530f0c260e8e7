"""The query string: parameters that the contract does not name are refused, all at once."""

from typing import Any

from connexion.validators.parameter import ParameterValidator
from starlette.types import Scope

from app.wire.faults import ContractViolation, Fault

_MAX_BYTES = 512  # Connexion takes quadratic time over the parameters.


class QueryValidator(ParameterValidator):  # type: ignore[misc]  # connexion ships no types
    """Connexion's parameter validator, with its strictness in our words."""

    def validate(self, scope: Scope) -> None:
        """Check the request's parameters.

        Raises:
            ContractViolation: the query is too long to be looked at, or see below.
        """
        if not scope["query_string"] and not self.parameters:
            return
        if len(scope["query_string"]) > _MAX_BYTES:
            raise ContractViolation([Fault.at("query", f"must be at most {_MAX_BYTES} bytes")])
        super().validate(scope)

    def validate_query_parameter_list(
        self, request: Any, security_params: set[str] | None = None
    ) -> set[str]:
        """Find no unknown parameter.

        Raises:
            ContractViolation: with a fault for each unknown parameter.
        """
        unknown = super().validate_query_parameter_list(request, security_params)
        if unknown:
            names = ", ".join(sorted(p["name"] for p in self.parameters["query"]))
            known = (
                f"the query parameters are {names}" if names else "this operation takes no query parameters"
            )
            raise ContractViolation(
                Fault.at(f"query.{name}", f"is not known here; {known}") for name in unknown
            )
        return set()
