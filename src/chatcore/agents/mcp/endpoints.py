"""Which MCP servers there are, as the setting ``mcp`` names them. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from urllib.parse import urlsplit

import attrs

from chatcore.errors import ConfigurationError

SETTING = "mcp"

_NAME = re.compile(r"[a-z][a-z0-9-]{0,23}")
"""Short, since it stands before the name of each tool, and a function's name has 64 characters at most."""

_STDIO = "stdio:"
_REMEDY = "it must be NAME=stdio:COMMAND ARGUMENTS or NAME=https://HOST/PATH"


@attrs.frozen
class Endpoint:
    """One MCP server.

    Args:
        name: what stands before the names of its tools.
        command: what to run, and talk to by its standard streams; empty for a server that is reached by HTTP.
        url: where it is reached; empty for one that is run.
    """

    name: str
    command: tuple[str, ...] = ()
    url: str = attrs.field(default="", repr=False)


def endpoints_of(declared: Sequence[str]) -> tuple[Endpoint, ...]:
    """The servers that a setting declares, each as ``NAME=stdio:COMMAND ARGUMENTS`` or ``NAME=https://HOST/PATH``.

    Raises:
        ConfigurationError: names the first that is wrong, by its name only: there may be a secret in the rest.
    """
    endpoints = tuple(map(_endpoint, declared))
    names = [endpoint.name for endpoint in endpoints]
    for name in names:
        if names.count(name) > 1:
            raise ConfigurationError(SETTING, f"two servers are named {name!r}", "give each a name of its own")
    return endpoints


def _endpoint(declared: str) -> Endpoint:
    name, sign, place = (part.strip() for part in declared.partition("="))
    if not sign or not _NAME.fullmatch(name):
        problem = "a server has no name of lower-case letters, digits and hyphens, 24 at most, before a ="
        raise ConfigurationError(SETTING, problem, _REMEDY)
    if place.startswith(_STDIO):
        return Endpoint(name, command=_command(name, place.removeprefix(_STDIO)))
    if not _is_url(place):
        raise ConfigurationError(SETTING, f"{name} is neither a command nor an address", _REMEDY)
    return Endpoint(name, url=place)


def _command(name: str, text: str) -> tuple[str, ...]:
    try:
        command = tuple(shlex.split(text))
    except ValueError:
        raise ConfigurationError(SETTING, f"{name} has a quote that is not closed", _REMEDY) from None
    if not command:
        raise ConfigurationError(SETTING, f"{name} names no command", _REMEDY)
    return command


def _is_url(place: str) -> bool:
    try:
        url = urlsplit(place)
        return url.scheme in ("http", "https") and bool(url.hostname) and (url.port or 1) > 0
    except ValueError:
        return False
