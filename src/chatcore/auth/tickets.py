"""Tickets: what opens one WebSocket where a browser cannot send a header (protocol.md, 2). Pure; ``now`` is given."""

from __future__ import annotations

from typing import Final

import attrs

from chatcore.auth.claims import Identity
from chatcore.errors import ErrorCode, RequestRefused

TICKETS_PER_USER: Final = 16
"""More tabs than anyone opens at once; past it the user's oldest ticket is void."""

MAX_TICKETS: Final = 20_000
"""As many as there may be connections; about 10 MB."""


@attrs.frozen
class _Issued:
    identity: Identity
    valid_until: float


@attrs.define(eq=False)
class TicketOffice:
    """Issues tickets, and takes each once. They are in memory only: a restart voids them.

    Args:
        seconds: how long a ticket is valid.
    """

    seconds: float
    _issued: dict[str, _Issued] = attrs.field(factory=dict, init=False, repr=False)
    """In the order of issue, which is that of their ends: each is valid equally long."""
    _of_user: dict[str, list[str]] = attrs.field(factory=dict, init=False, repr=False)

    def __len__(self) -> int:
        return len(self._issued)

    def issue(self, ticket: str, identity: Identity, now: float) -> None:
        """Make ``ticket`` one that stands for ``identity``.

        Args:
            ticket: a name that nobody can guess.
            identity: of its bearer.
            now: monotonic seconds.

        Raises:
            RequestRefused: there are too many in all; says when the next may be had.
        """
        self._drop_expired(now)
        own = self._of_user.get(identity.user_id, [])
        if len(own) >= TICKETS_PER_USER:
            self._void(own[0])
        elif len(self._issued) >= MAX_TICKETS:
            raise RequestRefused(ErrorCode.SERVICES_UNAVAILABLE, retry_after_seconds=self.seconds)
        self._issued[ticket] = _Issued(identity, now + self.seconds)
        self._of_user.setdefault(identity.user_id, []).append(ticket)

    def redeem(self, ticket: str, now: float) -> Identity | None:
        """Whom a ticket stands for, once; None where it stands for nobody any more."""
        issued = self._void(ticket)
        return issued.identity if issued is not None and issued.valid_until > now else None

    def _void(self, ticket: str) -> _Issued | None:
        issued = self._issued.pop(ticket, None)
        if issued is not None:
            own = self._of_user[issued.identity.user_id]
            own.remove(ticket)
            if not own:
                del self._of_user[issued.identity.user_id]
        return issued

    def _drop_expired(self, now: float) -> None:
        while self._issued:
            oldest = next(iter(self._issued))
            if self._issued[oldest].valid_until > now:
                return
            self._void(oldest)
