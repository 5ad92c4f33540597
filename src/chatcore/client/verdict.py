"""What the end of a connection means: come back, after how long, or never. Pure."""

from __future__ import annotations

from typing import Final

from chatcore.client.errors import ConnectionLost
from chatcore.errors import CloseCode
from chatcore.protocol.connection import What, kind_of
from chatcore.protocol.messages import AnyServerFrame, Draining, Error

_CODES: Final = frozenset(int(code) for code in CloseCode)

_BROKEN: Final = frozenset({None, 1001, 1005, 1006, 1014, 1015})
"""What a lost network, a proxy or a server that goes away leave behind (RFC 6455 section 7.4.1, and its registry)."""

_PASSING_STATUSES: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
"""HTTP statuses that another try may not meet (RFC 9110 section 15, RFC 6585, RFC 8470)."""


def may_return(lost: ConnectionLost, last: AnyServerFrame | None, *, renews_token: bool = False) -> bool:
    """Whether a client may connect again by itself.

    Args:
        lost: how the connection ended.
        last: its last frame; an error that ends the connection has the last word on whether trying again can help.
        renews_token: whether it would come with a fresh token. One that is refused at the door, 401, is final even so:
            it was fresh.
    """
    if lost.status is not None:
        return lost.status in _PASSING_STATUSES
    if lost.code == CloseCode.TOKEN_EXPIRED:
        return renews_token
    error = closing_error(last)
    if error is not None and not error.retryable:
        return False
    return lost.code in _BROKEN or (lost.code in _CODES and CloseCode(lost.code).reconnect)


def least_wait(lost: ConnectionLost, last: AnyServerFrame | None) -> float:
    """The seconds that the server asked to wait at least; 0 where it did not ask."""
    if isinstance(last, Draining):
        return last.reconnect_after_seconds
    error = closing_error(last)
    asked = error.retry_after_seconds if error is not None else lost.retry_after_seconds
    return max(0.0, asked or 0.0)


def closing_error(last: AnyServerFrame | None) -> Error | None:
    """The error that ended the connection, where there was one."""
    return last if isinstance(last, Error) and kind_of(last) is What.CLOSING_ERROR else None
