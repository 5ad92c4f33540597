"""What this version can serve, checked before anything is opened, and before anything heavy is imported."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from chatcore.addresses import database_path, is_loopback, networks
from chatcore.auth.documents import is_url
from chatcore.errors import ConfigurationError
from chatcore.settings import Settings
from chatcore.threads.signing import signer_of

LEAST_SECRET_BYTES = 32
"""As long as HS256's hash (RFC 7518, section 3.2); a shorter one can be found from a single token."""


def check_servable(settings: Settings) -> None:
    """Refuse what this version cannot serve, before anything is opened.

    Raises:
        ConfigurationError: names the setting.
    """
    _check_authentication(settings)
    if settings.redis_url is not None:
        raise ConfigurationError("redis_url", "several instances are not available in this version", "leave it out")
    if settings.workers > 1:
        raise ConfigurationError("workers", "more than one needs a shared event log", "use 1 in this version")
    if settings.signing_key is not None:
        signer_of(settings.signing_key)
    _check_model(settings)
    _check_database(settings.database_url)


def _check_authentication(settings: Settings) -> None:
    if settings.auth == "jwt":
        _check_tokens(settings)
    elif not is_loopback(settings.host):
        problem = f"without authentication only loopback addresses may be served, and {settings.host} is none"
        raise ConfigurationError("bind", problem, "set auth = jwt, or bind 127.0.0.1")
    elif settings.jwt_secret is not None or settings.jwks is not None:
        problem = "is `none`, and keys for tokens are set: nobody would be asked for one"
        raise ConfigurationError("auth", problem, "set auth = jwt, or leave jwt_secret and jwks out")
    networks(settings.trusted_proxies)
    if settings.signin is not None and not os.access(settings.signin, os.R_OK):
        raise ConfigurationError("signin", "is no file that can be read", "name a JavaScript module")


def _check_tokens(settings: Settings) -> None:
    if settings.jwt_secret is None and settings.jwks is None:
        raise ConfigurationError("auth", "`jwt` needs keys to check tokens with", "set jwt_secret (HS256) or jwks")
    if settings.jwt_secret is not None:
        _check_secret(settings.jwt_secret)
    if settings.jwks is not None:
        _check_jwks(settings.jwks)
    packages = ["joserfc", *(["httpx2"] if settings.jwks is not None and is_url(settings.jwks) else [])]
    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        problem = f"`jwt` needs {' and '.join(missing)}, which is not installed"
        raise ConfigurationError("auth", problem, "install chatcore[jwt]")


def _check_secret(secret: str) -> None:
    if len(secret.encode(errors="replace")) < LEAST_SECRET_BYTES:
        problem = f"is shorter than {LEAST_SECRET_BYTES} bytes, and could be guessed"
        raise ConfigurationError("jwt_secret", problem, "make one with `openssl rand -base64 48`")
    if "-----BEGIN" in secret or secret.startswith(("ssh-", "ecdsa-")):
        raise ConfigurationError("jwt_secret", "is a public or private key", "it is for HS256 alone; use jwks for keys")


def _check_jwks(place: str) -> None:
    if is_url(place):
        if not urlsplit(place).hostname:
            raise ConfigurationError("jwks", "names no host", "it is a file, or an http(s) URL")
    elif not Path(place).is_file() or not os.access(place, os.R_OK):
        raise ConfigurationError("jwks", "is no file that can be read", "it is a file, or an http(s) URL")


def _check_model(settings: Settings) -> None:
    _check_price(settings.llm_prompt_price, settings.llm_completion_price)
    place = settings.llm_base_url
    if place is None:
        return
    if not is_url(place) or not urlsplit(place).hostname:
        raise ConfigurationError("llm_base_url", "is no endpoint", "it is an http(s) URL, which often ends in /v1")
    if settings.llm_model is None:
        raise ConfigurationError("llm_base_url", "is set, and no model", "set llm_model to the model to ask there")


def _check_price(prompt: float | None, completion: float | None) -> None:
    if (prompt is None) != (completion is None):
        key = "llm_prompt_price" if prompt is None else "llm_completion_price"
        raise ConfigurationError(key, "is not set, and the other price is", "set both, or neither")


def _check_database(url: str) -> None:
    folder = database_path(url).absolute().parent
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        problem = f"{folder} is no folder that can be written"
        raise ConfigurationError("database_url", problem, "name a file in one that can")
