"""What a caller's token says of it as a participant, held to the contract's rules of an operation."""

from app.callers.caller import Caller
from app.wire.contract import BodyRule
from app.wire.faults import IdentityUnusable


def fitting(caller: Caller, rule: BodyRule) -> Caller:
    """Leave out a name that the operation would not take from a request.

    Raises:
        IdentityUnusable: the operation would not take the identity.
    """
    profile = caller.profile
    if profile is None:
        return caller
    faults = [fault.message for fault in rule.faults_of("identity", profile.identity)]
    if not profile.identity:
        faults = ["is missing, or not a text"]
    if faults:
        raise IdentityUnusable(
            f"The claim {profile.claims.identity} of the caller's token cannot be a "
            f"{rule.participant['identity']}: it {', and '.join(faults)}. "
            "The operator names another claim in OIDC_IDENTITY_CLAIM."
        )
    if rule.faults_of("name", profile.name):
        return caller._replace(profile=profile._replace(name=""))
    return caller
