"""The key file beside an SQLite database: made at the first start, for its owner alone. Blocking."""

from __future__ import annotations

import os
import secrets
import tempfile
from contextlib import suppress
from pathlib import Path

from chatcore.errors import ConfigurationError
from chatcore.threads.signing import Signer, signer_of
from chatcore.threads.sqlite import passing

KEY_BYTES = 32
"""As many as the hash has."""


def key_path(path: Path) -> Path:
    """Where the keys of the database at ``path`` are."""
    path = path.resolve()  # links to one database lead to one key
    return path.with_name(f"{path.name}.key")


def known_signer(path: Path, signing_key: str | None) -> Signer | None:
    """The signer of a database that is there, None where it has no key; makes nothing.

    Args:
        path: the file of the database.
        signing_key: of the settings; what it did not sign, the keys beside the database may have.

    Raises:
        ConfigurationError: a key is too short, or the file cannot be read.
    """
    beside = _read(key_path(path))
    texts = [text for text in (signing_key, beside) if text is not None]
    return signer_of(*texts) if texts else None


def signer_for(path: Path, signing_key: str | None) -> Signer:
    """The signer of a database that is being opened; a key is made unless there is one.

    Args:
        path: the file of the database.
        signing_key: of the settings.

    Raises:
        ConfigurationError: a key is too short, or the file cannot be read or made.
        StorageUnavailable: it cannot be made now.
    """
    signer = known_signer(path, signing_key)
    if signer is None:
        try:
            _make(key_path(path))
        except OSError as error:
            raise passing(error) or _wrong(key_path(path), error) from None
        signer = known_signer(path, signing_key)
    assert signer is not None  # noqa: S101  it was made
    return signer


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        return ""
    except OSError as error:
        raise passing(error) or _wrong(path, error) from None


def _wrong(path: Path, error: OSError) -> ConfigurationError:
    return ConfigurationError("signing_key", f"{path} cannot be used ({error.strerror})", "or set signing_key")


def _make(path: Path) -> None:
    """Write a new key whole and durably, or leave the one that another process wrote meanwhile."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")  # mode 0600
    try:
        with open(descriptor, "w", encoding="ascii") as file:  # noqa: PTH123  a descriptor
            file.write(secrets.token_hex(KEY_BYTES) + "\n")
            file.flush()
            os.fsync(descriptor)
        with suppress(FileExistsError):
            os.link(name, path)
        _sync(path.parent)
    finally:
        Path(name).unlink()


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
