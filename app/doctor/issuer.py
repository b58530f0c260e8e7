"""Whether the issuer of caller tokens can be asked for its keys."""

from app.callers.caller import IssuerUnreachable
from app.callers.issuer import Issuer
from app.doctor.finding import Finding
from app.doctor.network import obstacle

_CHECK = "OIDC_ISSUER"


async def examine(url: str) -> Finding:
    """Fetch the issuer's keys."""
    try:
        count = await Issuer(url).probe()
    except IssuerUnreachable as unusable:
        return Finding(
            _CHECK,
            "problem",
            f"the issuer's keys cannot be had: {unusable}",
            "set OIDC_ISSUER to the `issuer` of its /.well-known/openid-configuration, letter by letter",
        )
    except Exception as failure:  # noqa: BLE001  # Whatever it answers is a finding.
        _, words, fix = obstacle(failure, _CHECK)
        return Finding(_CHECK, "problem", f"the issuer's keys cannot be had: {words}", fix)
    return Finding(_CHECK, "ok", f"the issuer answers, with {count} {'key' if count == 1 else 'keys'}")
