"""Tokens as livekit-api writes them. The only module that knows livekit-api."""

import base64
import hmac
import json
from datetime import timedelta
from typing import Any

from google.protobuf.json_format import ParseDict
from jwt import InvalidKeyError
from livekit.api.access_token import AccessToken, VideoGrants
from livekit.protocol.room import RoomConfiguration

from app.tokens.credentials import Credentials
from app.tokens.orders import Agent, TokenOrder
from app.tokens.policy import TokenPolicy

_PLAIN = TokenOrder("room", "identity", "name", timedelta(hours=1))
_FULL = _PLAIN._replace(
    room='"ü\U0001f600\x7f\\/',
    metadata="metadata",
    attributes={"key_of_some_words": "value", "": ""},
    agents=(Agent("name", "metadata", "deployment"), Agent()),
)
# As PyJWT writes JSON: what is not ASCII takes six bytes or twelve.
_json = json.JSONEncoder(separators=(",", ":")).encode


class UnusableSecret(Exception):
    """livekit-api does not sign with this secret: it looks like a key of another kind, or is no text."""


class TokensDiffer(Exception):
    """livekit-api writes tokens in another way than this service; one of them must be mended."""


class TokenWriter:
    """Writes tokens after the model of one that livekit-api wrote, byte for byte, for a tenth of the cost.

    livekit-api and PyJWT write all claims anew for each token, and try to read the secret as a PEM and
    as a JSON key.

    Attributes:
        is_weak: whether the secret is shorter than it should be.
    """

    def __init__(self, credentials: Credentials, policy: TokenPolicy) -> None:
        """Have livekit-api write the model.

        Raises:
            TokensDiffer: a token written here is not the one that livekit-api writes.
            UnusableSecret: livekit-api writes none with this secret.
        """
        try:
            model = _written_by_livekit(_PLAIN, credentials, policy)
        except (InvalidKeyError, UnicodeEncodeError) as error:
            raise UnusableSecret from error
        self._header = model.split(".")[0].encode()
        self._grants = _claims_in(model)["video"]
        self._issuer = credentials.api_key
        self._secret = credentials.api_secret.encode()
        self.is_weak = credentials.is_weak
        for order in (_PLAIN, _FULL):
            expected = _written_by_livekit(order, credentials, policy)
            claims = _claims_in(expected)
            if self.write(order, claims["nbf"], claims["exp"]) != expected:
                raise TokensDiffer(f"not as livekit-api writes them: {', '.join(claims)}")

    def write(self, order: TokenOrder, not_before: int, expiry: int) -> str:
        """Write the token of a completed order; the times are in seconds since 1970."""
        claims: dict[str, Any] = {"name": order.name}
        if order.metadata:
            claims["metadata"] = order.metadata
        claims["video"] = {**self._grants, "room": order.room}
        if order.attributes:
            claims["attributes"] = dict(order.attributes)
        if order.agents:
            claims["roomConfig"] = _room_config(order)
        claims["sub"] = order.identity
        claims["iss"] = self._issuer
        claims["nbf"] = not_before
        claims["exp"] = expiry
        signed = self._header + b"." + _base64(_json(claims).encode())
        return (signed + b"." + _base64(hmac.digest(self._secret, signed, "sha256"))).decode()


def longest_part(order: TokenOrder) -> str:
    """Name the part of an order that most of its token is about."""
    parts = {
        "name": order.name,
        "metadata": order.metadata,
        "attributes": dict(order.attributes),
        "agents": _room_config(order),
    }
    return max(parts, key=lambda part: len(_json(parts[part])))


def _room_config(order: TokenOrder) -> dict[str, Any]:
    names = ("agentName", "metadata", "deployment")
    # Protobuf's JSON leaves out what is empty.
    return {"agents": [{n: t for n, t in zip(names, agent, strict=True) if t} for agent in order.agents]}


def _written_by_livekit(order: TokenOrder, credentials: Credentials, policy: TokenPolicy) -> str:
    grants = VideoGrants(
        room_join=True,
        room=order.room,
        can_subscribe=True,
        can_publish=True,
        can_publish_sources=list(policy.publish_sources),
        can_publish_data=policy.can_publish_data,
    )
    token = AccessToken(credentials.api_key, credentials.api_secret)
    token.with_identity(order.identity).with_name(order.name).with_ttl(order.ttl or policy.ttl)
    token.with_grants(grants).with_metadata(order.metadata)
    if order.attributes:
        token.with_attributes(dict(order.attributes))
    if order.agents:
        token.with_room_config(ParseDict(_room_config(order), RoomConfiguration()))
    return token.to_jwt()


def _claims_in(token: str) -> dict[str, Any]:
    payload = token.split(".")[1]
    return dict(json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))))


def _base64(content: bytes) -> bytes:
    return base64.urlsafe_b64encode(content).rstrip(b"=")
