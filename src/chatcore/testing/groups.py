"""Exceptions as a test raised them, without the groups that nurseries put around them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from chatcore.observability import leaves


@contextmanager
def lone_exceptions() -> Iterator[None]:
    """Let an exception out as it was, where it is the only one in its groups, however deep; several stay a group."""
    try:
        yield
    except BaseExceptionGroup as group:
        found = list(leaves(group))
        if len(found) != 1:
            raise
        alone, context = found[0], found[0].__context__
        try:
            raise alone
        finally:
            alone.__context__ = context  # not the group it came in
