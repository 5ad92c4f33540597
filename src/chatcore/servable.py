"""What this version can serve, checked before anything is opened, and before anything heavy is imported."""

from __future__ import annotations

import os
from pathlib import Path

from chatcore.errors import ConfigurationError
from chatcore.settings import Settings
from chatcore.web.admission import is_loopback

SQLITE = "sqlite:///"


def check_servable(settings: Settings) -> None:
    """Refuse what this version cannot serve, before anything is opened.

    Raises:
        ConfigurationError: names the setting.
    """
    if settings.auth == "jwt":
        raise ConfigurationError("auth", "`jwt` is not available in this version", "use `none` on a loopback address")
    if not is_loopback(settings.host):
        problem = f"without authentication only loopback addresses may be served, and {settings.host} is none"
        raise ConfigurationError("bind", problem, "bind 127.0.0.1 and put a proxy that authenticates in front")
    if settings.redis_url is not None:
        raise ConfigurationError("redis_url", "several instances are not available in this version", "leave it out")
    if settings.workers > 1:
        raise ConfigurationError("workers", "more than one needs a shared event log", "use 1 in this version")
    if settings.llm_base_url is not None:
        raise ConfigurationError("llm_base_url", "language models are not available in this version", "leave it out")
    _check_database(settings.database_url)


def _check_database(url: str) -> None:
    if not url.startswith(SQLITE):
        raise ConfigurationError("database_url", "this version keeps its data in SQLite", "use sqlite:///FILE")
    file = url.removeprefix(SQLITE)
    if not file or file == ":memory:" or "?" in file:
        raise ConfigurationError("database_url", "names no file", "use sqlite:///FILE, without parameters")
    folder = Path(file).absolute().parent
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        problem = f"{folder} is no folder that can be written"
        raise ConfigurationError("database_url", problem, "name a file in one that can")
