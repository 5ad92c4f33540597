"""Settings: built-in defaults < TOML file < ``CHATCORE_*`` environment < flags (protocol.md, section 4).

Each field of :class:`Settings` is one key: its name in the TOML file, with ``CHATCORE_`` and in upper case in the
environment. Units are in the names. ``metadata["doc"]`` is the text of the reference in the documentation.
"""

from __future__ import annotations

import difflib
import os
import tomllib
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import attrs
import msgspec

from chatcore.errors import ConfigurationError

PREFIX = "CHATCORE_"
CONFIG_VARIABLE = "CHATCORE_CONFIG"


def _key(default: Any, doc: str, *, least: float | None = None, secret: bool = False) -> Any:
    """A setting with its documentation and, for a number, the least value that makes sense.

    A secret one is not shown by ``repr``, which ends up in logs and tracebacks.
    """
    return attrs.field(default=default, repr=not secret, metadata={"doc": doc, "least": least})


@attrs.frozen(kw_only=True)
class Settings:
    """Every setting of one server; frozen, so that nothing changes under a running one."""

    app: str | None = _key(None, "The application, as `module:attribute`; the built-in analyst where absent.")
    data: tuple[str, ...] = _key((), "Files or folders for the built-in analyst, or `sample`.")
    mapping: str | None = _key(None, "A TOML file that says what columns mean, where guessing by their names fails.")
    bind: str = _key("127.0.0.1:8000", "Address and port to listen on; port 0 takes any free one.")
    workers: int = _key(1, "Worker processes; more than one needs `redis_url`.", least=1)
    prewarm: bool = _key(False, "Start the services with the process instead of with the first connection.")
    database_url: str = _key("sqlite:///chatcore.db", "Where threads, runs and events are kept.", secret=True)
    signing_key: str | None = _key(
        None,
        "What signs the log: 32 characters or more, the newest first where there are several. A file beside the "
        "database where absent, made at the first start.",
        secret=True,
    )
    redis_url: str | None = _key(
        None, "The event log that several instances share; in-process where absent.", secret=True
    )
    auth: Literal["none", "jwt"] = _key("none", "Who may come in; `none` is for loopback addresses only.")
    jwt_secret: str | None = _key(None, "The HS256 secret for `auth = jwt`, 32 bytes or more.", secret=True)
    jwt_audience: str | None = _key(None, "The `aud` a token must carry.")
    jwt_issuer: str | None = _key(None, "The `iss` a token must carry.")
    jwks: str | None = _key(None, "File or URL of the public keys (a JWK set) for `auth = jwt`.")
    ticket_seconds: float = _key(30.0, "How long a ticket for a WebSocket is valid.", least=1)
    signin: str | None = _key(None, "A JavaScript module with which the chat page gets its token.")
    allowed_origins: tuple[str, ...] = _key((), "Origins beside the server's own, comma-separated.")
    trusted_proxies: tuple[str, ...] = _key(
        ("127.0.0.1", "::1"), "Proxies, by address or network, whose `X-Forwarded-For` says who a client is."
    )
    max_bad_tokens_per_minute: int = _key(
        60, "Wrong tokens and tickets an address; past it, 429 without a look at them; 0: no limit.", least=0
    )
    admission: Literal["wait", "refuse"] = _key(
        "wait", "What a connection gets before the services are ready: a place to wait, or 503."
    )
    llm_base_url: str | None = _key(None, "An OpenAI-compatible endpoint.", secret=True)
    llm_api_key: str | None = _key(None, "The key for it.", secret=True)
    llm_model: str | None = _key(None, "The model to ask there.")
    llm_timeout_seconds: float = _key(30.0, "Silence of the model that ends a turn.", least=0.001)
    llm_prompt_price: float | None = _key(None, "US dollars that a million tokens in cost there.", least=0)
    llm_completion_price: float | None = _key(None, "US dollars that a million tokens out cost there.", least=0)
    mcp: tuple[str, ...] = _key(
        (),
        "MCP servers whose tools the language model may use, each as `NAME=stdio:COMMAND ARGUMENTS` or "
        "`NAME=https://HOST/PATH`. A command with a comma in it needs the TOML file.",
        secret=True,
    )
    ping_seconds: float = _key(20.0, "How often a quiet peer is asked whether it is there.", least=0.001)
    pong_timeout_seconds: float = _key(20.0, "How long it may take to answer.", least=0.001)
    max_connections: int = _key(20_000, "Connections in all; past it, 503.", least=1)
    max_frames_per_second: int = _key(
        100, "Frames a connection, with bursts of four times as many; 0: no limit.", least=0
    )
    max_messages_per_minute: int = _key(120, "Messages a user; 0: no limit.", least=0)
    max_connections_per_user: int = _key(3, "Connections a user.", least=1)
    max_waiting: int = _key(10_000, "Connections that may wait for the services.", least=0)
    max_runs: int = _key(256, "Agents at work at once; further messages wait, users taking turns.", least=1)
    max_message_bytes: int = _key(1_048_576, "The largest frame accepted, decompressed.", least=1)
    compression: bool = _key(
        False, "Compress messages on `/ws` for clients that offer it (permessage-deflate), each by itself."
    )
    init_timeout_seconds: float = _key(
        30.0, "The limit of one start of the services; notices come at a third and two thirds of it.", least=0.001
    )
    retention_days: float = _key(
        0.0, "Threads in which nothing has happened for so long are deleted; 0: kept for ever.", least=0
    )
    drain_seconds: float = _key(10.0, "From SIGTERM to the end of the process.", least=0.001)
    log_format: Literal["auto", "json", "console"] = _key(
        "auto", "`console` for people, `json` for machines; `auto` looks at whether standard error is a terminal."
    )

    @property
    def host(self) -> str:
        """The address of ``bind``, without brackets."""
        return self.bind.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        """The port of ``bind``."""
        return int(self.bind.rpartition(":")[2])


def load_settings(
    flags: Mapping[str, Any] | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    config: Path | None = None,
) -> Settings:
    """The settings of this process.

    Args:
        flags: what the command line said, by key; None values are absent.
        environ: the environment; the process's own unless given.
        config: the TOML file; ``CHATCORE_CONFIG`` of the environment unless given.

    Raises:
        ConfigurationError: names the first key that is unknown (with the nearest known one) or has a wrong value.
    """
    environ = os.environ if environ is None else environ
    if config is None and environ.get(CONFIG_VARIABLE):
        config = Path(environ[CONFIG_VARIABLE])
    merged: dict[str, Any] = {}
    for source in (_from_toml(config), _from_environment(environ), dict(flags or {})):
        merged |= {key: value for key, value in source.items() if value is not None}
    settings = Settings(**merged)
    _check_bind(settings.bind)
    return settings


def _from_toml(config: Path | None) -> dict[str, Any]:
    if config is None:
        return {}
    try:
        values = tomllib.loads(config.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError("config", f"{config} cannot be read ({error.strerror})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError("config", f"{config} is not valid TOML: {error}") from None
    return _checked(values, shown=lambda key: key, lists_are_text=False)


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    values = {
        name.removeprefix(PREFIX).lower(): value
        for name, value in environ.items()
        if name.startswith(PREFIX) and name != CONFIG_VARIABLE
    }
    return _checked(values, shown=lambda key: PREFIX + key.upper(), lists_are_text=True)


def _checked(values: Mapping[str, Any], *, shown: typing.Callable[[str], str], lists_are_text: bool) -> dict[str, Any]:
    kinds = typing.get_type_hints(Settings)
    checked = {}
    for key, value in values.items():
        if key == "lazy":  # the other name of the same choice: --lazy/--prewarm
            checked["prewarm"] = not _value(shown(key), value, bool, None)
            continue
        if key not in kinds:
            raise _unknown(key, kinds, shown)
        is_list = lists_are_text and typing.get_origin(kinds[key]) is tuple
        checked[key] = _value(shown(key), _parts(value) if is_list else value, kinds[key], _least(key))
    return checked


def _parts(text: str) -> tuple[str, ...]:
    """The parts of a comma-separated text."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _least(key: str) -> float | None:
    least: float | None = getattr(attrs.fields(Settings), key).metadata["least"]
    return least


def _unknown(key: str, known: Mapping[str, Any], shown: typing.Callable[[str], str]) -> ConfigurationError:
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.0)
    return ConfigurationError(shown(key), "is not a setting", f"did you mean {shown(near[0])}?")


def _value(name: str, value: Any, kind: Any, least: float | None) -> Any:
    """``value`` as the type of the setting; the environment's texts are read as numbers and booleans."""
    try:
        converted = msgspec.convert(value, kind, strict=False)
    except msgspec.ValidationError:
        raise ConfigurationError(name, "has a value of the wrong kind", f"it must be {_words(kind)}") from None
    if least is not None and converted < least:
        raise ConfigurationError(name, f"is {converted:g}", f"it must be at least {least:g}")
    return converted


def _words(kind: Any) -> str:
    """A type in words for a person."""
    if typing.get_origin(kind) is Literal:
        return " or ".join(f"`{choice}`" for choice in typing.get_args(kind))
    if isinstance(kind, types.UnionType):
        return _words(typing.get_args(kind)[0])
    if typing.get_origin(kind) is tuple:
        return "a list of texts"
    return {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}[kind]


def _check_bind(bind: str) -> None:
    host, _, port = bind.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise ConfigurationError("bind", f"{bind!r} is not an address", "it must be HOST:PORT, such as 127.0.0.1:8000")
