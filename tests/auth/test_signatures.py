"""Whose signature a token bears; every way to pass off one that nobody trusted signed."""

from __future__ import annotations

import hmac
import json
import warnings
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from joserfc.jwk import ECKey, Key, OctKey, RSAKey

from chatcore.auth.claims import TokenFault, TokenRefused
from chatcore.auth.signatures import MAX_TOKEN_CHARACTERS, key_for, public_keys, shared_secret, take_apart
from issuer import SECRET, claims, key_of, key_set, mac, part, signed, unsigned

ASYMMETRIC = ("RS256", "ES256", "Ed25519")
KEYS = public_keys(key_set(*map(key_of, ASYMMETRIC)))


def fault_of(token: str, keys: tuple[Key, ...] = KEYS, secret: Key | None = None) -> TokenFault | None:
    """Why a token is refused by these keys, None where it is not."""
    try:
        taken = take_apart(token)
        key = secret if taken.algorithm == "HS256" else key_for(taken, keys)
        if key is None:
            return TokenFault.UNKNOWN_KEY
        taken.claims(key)
    except TokenRefused as error:
        return error.fault
    return None


@pytest.mark.parametrize("algorithm", ASYMMETRIC)
def test_a_token_of_the_issuer(algorithm: str) -> None:
    token = signed(key_of(algorithm), algorithm)
    taken = take_apart(token)
    key = key_for(taken, KEYS)
    assert key is not None
    assert taken.claims(key)["sub"] == "ann"
    assert fault_of(signed(key_of(algorithm), algorithm, kid=None)) is None, "there is one key of its kind"
    assert fault_of(signed(key_of(algorithm), algorithm, typ="at+JWT")) is None
    assert fault_of(signed(key_of(algorithm), algorithm, typ="application/jwt", other="ignored")) is None


def test_the_older_name_of_ed25519_without_a_warning() -> None:
    keys = public_keys(key_set(key_of("Ed25519"), alg="EdDSA"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in ("EdDSA", "Ed25519"):
            assert fault_of(signed(key_of("Ed25519"), name), keys) is None


def test_a_shared_secret() -> None:
    assert fault_of(mac(SECRET), secret=shared_secret(SECRET)) is None
    assert fault_of(mac(SECRET, kid="whatever"), secret=shared_secret(SECRET)) is None
    assert fault_of(mac(SECRET + "x"), secret=shared_secret(SECRET)) is TokenFault.SIGNATURE


RSA = key_of("RS256")
PEM = RSA.as_pem(private=False)  # type: ignore[union-attr]
DER = RSA.as_der(private=False)  # type: ignore[union-attr]
JWK = json.dumps(RSA.as_dict(private=False)).encode()


@pytest.mark.parametrize(
    "name", ["none", "None", "NONE", "nOnE", "", "HS384", "HS512", "RS384", "PS256", "ES512", "ES256K"]
)
@pytest.mark.parametrize("signature", ["", "AAAA"])
def test_an_algorithm_that_is_not_accepted(name: str, signature: str) -> None:
    assert fault_of(unsigned(name, signature), secret=shared_secret(SECRET)) is TokenFault.ALGORITHM


@pytest.mark.parametrize("public", [PEM, PEM.strip(), DER, JWK, str(RSA.as_dict()["n"]).encode()])
def test_a_public_key_is_no_secret(public: bytes) -> None:
    """HS256 with what everybody can read, in each form that a confused library may take it in."""
    token = mac(public, kid=RSA.kid)
    assert fault_of(token) is TokenFault.UNKNOWN_KEY, "an HMAC is never checked with an issuer's key"
    assert fault_of(token, secret=shared_secret(SECRET)) is TokenFault.SIGNATURE


@pytest.mark.parametrize("text", [PEM.decode(), ECKey.generate_key("P-256").as_pem(private=False).decode()])
def test_a_public_key_cannot_be_configured_as_the_secret(text: str) -> None:
    with pytest.raises(ValueError, match="public keys"):
        shared_secret(text)


def test_a_secret_in_a_key_set_is_no_key() -> None:
    entry = OctKey.import_key(SECRET.encode(), {"kid": "s"}).as_dict(private=True)
    document = json.dumps({"keys": [entry, *json.loads(key_set(RSA))["keys"]]}).encode()
    assert [key.key_type for key in public_keys(document)] == ["RSA"]


def test_the_signature_of_another_key_algorithm_or_token() -> None:
    other = RSAKey.generate_key(2048, {"kid": str(RSA.kid)})
    assert fault_of(signed(other, "RS256")) is TokenFault.SIGNATURE
    assert fault_of(signed(other, "RS256", kid="invented")) is TokenFault.UNKNOWN_KEY
    assert fault_of(signed(key_of("ES256"), "ES256", kid=RSA.kid)) is TokenFault.UNKNOWN_KEY, "a key of another kind"
    head, _, signature = signed(RSA, "RS256").split(".")
    assert fault_of(f"{head}.{part(claims(sub='bob'))}.{signature}") is TokenFault.SIGNATURE
    assert fault_of(f"{head}.{part(claims(sub='bob'))}.") is TokenFault.SIGNATURE
    zeros = part({"alg": "ES256", "kid": key_of("ES256").kid}) + "." + part(claims()) + "." + part(bytes(64))
    assert fault_of(zeros) is TokenFault.SIGNATURE, "a signature of zeros (CVE-2022-21449)"


@pytest.mark.parametrize(
    "header",
    [
        {"crit": ["exp"], "exp": 1},
        {"crit": ["b64"], "b64": False},
        {"crit": []},
        {"typ": "logout+jwt"},
        {"typ": "dpop+jwt"},
        {"jku": "no url"},
        {"kid": 7},
        {"kid": ["a"]},
        {"alg": 7},
        {"alg": None},
        {"alg": ["HS256"]},
        {"x": "y" * 600},
    ],
)
def test_a_header_that_is_not_understood(header: dict[str, Any]) -> None:
    assert fault_of(mac(SECRET, **header), secret=shared_secret(SECRET)) is TokenFault.MALFORMED


def test_a_key_that_the_token_brings_along_is_not_used() -> None:
    mine = RSAKey.generate_key(2048, {"kid": "mine"})
    for header in ({"jwk": mine.as_dict(private=False)}, {"jku": "https://evil.example/keys"}):
        if len(json.dumps(header)) < 300:
            assert fault_of(signed(mine, "RS256", **header)) is TokenFault.UNKNOWN_KEY
    small = key_of("Ed25519", 9)
    token = signed(small, "Ed25519", jwk=small.as_dict(private=False))
    assert fault_of(token) is TokenFault.UNKNOWN_KEY
    assert fault_of(signed(small, "Ed25519", kid=None, jwk=small.as_dict(private=False))) is TokenFault.SIGNATURE


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "...",
        "a.b",
        "a.b.c.d.e",
        "bearer",
        mac(SECRET)[:-1] + "ä",
        mac(SECRET) + " ",
        "." + mac(SECRET),
        mac(SECRET, part({"sub": "x" * MAX_TOKEN_CHARACTERS})),
        part([]) + ".e30.",
        part({"alg": "HS256"})[:-2] + ".e30.",
        part(b"[" * 6000) + ".e30.",
        "A" * 200_000,
    ],
)
def test_what_is_no_token(token: str) -> None:
    assert fault_of(token, secret=shared_secret(SECRET)) in (TokenFault.MALFORMED, TokenFault.SIGNATURE)


@pytest.mark.parametrize("payload", [[], 7, "text", None, b"", b"\xff", b"{", b"[" * 5000, b'{"sub":"a","sub":'])
def test_a_payload_that_is_no_object(payload: Any) -> None:
    raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    body = f"{part({'alg': 'HS256'})}.{part(raw)}"
    token = f"{body}.{part(hmac.digest(SECRET.encode(), body.encode(), 'sha256'))}"
    assert fault_of(token, secret=shared_secret(SECRET)) is TokenFault.MALFORMED


@given(st.text(max_size=300) | st.from_regex(r"[\w-]{0,40}\.[\w-]{0,40}\.[\w-]{0,40}", fullmatch=True))
@example("eyJhbGciOiJub25lIn0.e30.")
def test_no_text_is_too_odd_to_be_refused(text: str) -> None:
    assert fault_of(text, secret=shared_secret(SECRET)) is not None


@given(st.integers(0, 10_000), st.characters(codec="ascii"))
def test_a_token_that_is_changed_anywhere_is_another(position: int, character: str) -> None:
    """But for the bits that base64 leaves over at the very end, which say nothing."""
    token = mac(SECRET, claims(exp=1_900_000_000))
    at = position % (len(token) - 1)
    changed = token[:at] + character + token[at + 1 :]
    assert (fault_of(changed, secret=shared_secret(SECRET)) is None) is (changed == token)


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"[]",
        b"{}",
        b'{"keys": {}}',
        b'{"keys": []}',
        b'{"keys": [7, null, {}]}',
        b'{"keys": [{"kty": "RSA"}]}',
        b'{"keys": [{"kty": "RSA", "n": "AQAB", "e": "AQAB"}]}',
        json.dumps({"keys": [{"kty": "RSA", "e": "AQAB", "n": part((2**1023 + 1).to_bytes(128))}]}).encode(),
        json.dumps({"keys": [{"kty": "RSA", "e": "AQAB", "n": part((2**1023 + 1).to_bytes(400))}]}).encode(),
        b'{"keys": [{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}]}',
        key_set(ECKey.generate_key("P-384")),
        key_set(RSA, use="enc"),
        key_set(RSA, key_ops=["encrypt"]),
        b"[" * 10_000,
        b"\xff\xfe",
    ],
)
def test_a_document_without_a_key(document: bytes) -> None:
    with pytest.raises(ValueError, match=r"no JWK set|no key"):
        public_keys(document)


def test_one_bad_key_does_not_spoil_the_others() -> None:
    bad = [{"kty": "RSA", "n": "?", "e": "?"}, {"kty": "AKP", "kid": "pq"}, {"kty": "EC", "crv": []}, "no key"]
    entries = [*bad, *json.loads(key_set(RSA))["keys"]]
    assert [key.kid for key in public_keys(json.dumps({"keys": entries}).encode())] == [RSA.kid]


def test_of_two_keys_the_token_has_to_say_which() -> None:
    keys = public_keys(key_set(key_of("ES256", 1), key_of("ES256", 2)))
    assert fault_of(signed(key_of("ES256", 2), "ES256"), keys) is None
    assert fault_of(signed(key_of("ES256", 2), "ES256", kid=None), keys) is TokenFault.UNKNOWN_KEY
