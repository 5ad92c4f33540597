"""What an address says: of a server, who can reach it; of a database, where it is. Pure."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import Final

from chatcore.errors import ConfigurationError

SQLITE: Final = "sqlite:///"


def is_loopback(host: str | None) -> bool:
    """Whether an address cannot be reached from another machine. None is a Unix socket."""
    if host is None or host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def database_path(database_url: str) -> Path:
    """The file that ``database_url`` names.

    Raises:
        ConfigurationError: when it is not ``sqlite:///PATH``; its text holds no part of the URL but the scheme.
    """
    scheme, separator, _ = database_url.partition("://")
    path = database_url.removeprefix(SQLITE)
    if not separator:
        problem = "is not a URL"
    elif scheme != "sqlite":
        problem = f"{scheme}:// is not served in this version"
    elif path == database_url or not path.strip("/") or path == ":memory:":
        problem = "names no file"
    elif "?" in path or "\0" in path:
        problem = "has parameters, and takes none"
    else:
        return Path(path)
    raise ConfigurationError("database_url", problem, f"it must be {SQLITE}PATH, such as {SQLITE}chatcore.db")
