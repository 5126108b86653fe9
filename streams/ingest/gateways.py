"""Who is posting: a gateway by its bearer token. Decides nothing but that, and keeps no token in the clear."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping

from streams.ingest.problem import Refused
from streams.schema.errors import ConfigurationInvalid

_CHALLENGE = 'Bearer realm="ioc"'


class Gateways:
    """Gateways by the digest of their token; every comparison takes the same time, whichever token is right."""

    def __init__(self, tokens: Mapping[str, str]) -> None:
        """Raises ConfigurationInvalid where two gateways share a token: a reading would not tell who sent it."""
        self._digests = [(name, _digest(token.encode())) for name, token in tokens.items()]
        if len({digest for _, digest in self._digests}) < len(self._digests):
            raise ConfigurationInvalid("IOC_GATEWAY_TOKENS", "two gateways have the same token; give each its own")

    def identify(self, authorization: str) -> str:
        """The gateway's name for an Authorization header. Raises Refused (401)."""
        scheme, _, token = authorization.strip().partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            detail = "send Authorization: Bearer TOKEN"
            raise Refused("unauthorized", detail, headers={"WWW-Authenticate": _CHALLENGE})
        given = _digest(token.strip().encode("utf-8", "surrogateescape"))
        found = ""
        for name, digest in self._digests:
            if hmac.compare_digest(given, digest):
                found = name
        if not found:
            headers = {"WWW-Authenticate": f'{_CHALLENGE}, error="invalid_token"'}
            raise Refused("unauthorized", "no gateway has this token", headers=headers)
        return found


def _digest(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()
