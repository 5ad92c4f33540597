"""An issuer of tokens, right ones and wrong ones."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from functools import cache
from typing import Any

import attrs
from joserfc import jws
from joserfc.jwk import ECKey, Key, KeyParameters, OKPKey, RSAKey

from chatcore.auth.signatures import _REGISTRY

SECRET = "a secret of more than thirty-two bytes"


@cache
def key_of(algorithm: str, number: int = 0) -> Key:
    """A key pair for an algorithm; made once, since RSA takes its time."""
    name: KeyParameters = {"kid": f"{algorithm}-{number}"}
    if algorithm == "RS256":
        return RSAKey.generate_key(2048, name)
    return ECKey.generate_key("P-256", name) if algorithm == "ES256" else OKPKey.generate_key("Ed25519", name)


def key_set(*keys: Key, **extra: Any) -> bytes:
    """The document in which an issuer publishes keys."""
    return json.dumps({"keys": [{**key.as_dict(private=False), "use": "sig", **extra} for key in keys]}).encode()


def claims(**changed: Any) -> dict[str, Any]:
    """Right ones, but for what is said; None leaves a claim out."""
    whole = {"sub": "ann", "exp": int(time.time()) + 86_400, **changed}
    return {name: value for name, value in whole.items() if value is not None}


def signed(key: Key, algorithm: str, payload: Any = None, **header: Any) -> str:
    """A token signed with a private key."""
    head = {"alg": algorithm, "kid": key.kid, **header}
    given = {name: value for name, value in head.items() if value is not None}
    return jws.serialize_compact(given, json.dumps(payload or claims()), key, registry=_REGISTRY)


def part(value: Any) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def mac(secret: str | bytes, payload: Any = None, hash_name: str = "sha256", **header: Any) -> str:
    """A token with an HMAC, made without any library that would refuse to."""
    key = secret if isinstance(secret, bytes) else secret.encode()
    body = f"{part({'alg': 'HS256', 'typ': 'JWT', **header})}.{part(claims() if payload is None else payload)}"
    return f"{body}.{part(hmac.new(key, body.encode(), getattr(hashlib, hash_name)).digest())}"


def unsigned(algorithm: str = "none", signature: str = "", **changed: Any) -> str:
    """A token that nobody signed."""
    return f"{part({'alg': algorithm, 'typ': 'JWT'})}.{part(claims(**changed))}.{signature}"


@attrs.define
class Document:
    """What an issuer publishes, which may change or be away; counts how often it was asked for."""

    body: bytes = b""
    fetches: int = 0
    wrong: type[Exception] | None = None

    async def read(self) -> bytes:
        self.fetches += 1
        if self.wrong is not None:
            raise self.wrong("secret words")
        return self.body
