"""Who comes in: what :mod:`.admission` decides from the request, and what takes a look at a token or a ticket."""

from __future__ import annotations

import time
from typing import Final

import attrs
import trio

from chatcore.auth.authenticator import Authenticator
from chatcore.auth.claims import Identity, TokenFault, TokenRefused
from chatcore.auth.tickets import TicketOffice
from chatcore.errors import RequestRefused
from chatcore.settings import Settings
from chatcore.web.admission import (
    Request,
    Ticket,
    credential,
    named_user,
    needs_nobody,
    screen,
    token_problem,
    unauthenticated,
)
from chatcore.web.problems import Problem

NOBODY: Final = Identity("")
"""Who asks for what is open to everyone. It is no user's name, so nothing is theirs."""


@attrs.frozen(eq=False)
class Gate:
    """Tells who sends a request.

    Args:
        settings: of the server.
        tickets: that were issued.
        authenticator: checks tokens; None where nobody is authenticated.
    """

    settings: Settings
    tickets: TicketOffice
    authenticator: Authenticator | None

    async def admit(self, request: Request) -> Identity | Problem:
        """Who sends a request, or why it may not come in."""
        refused = screen(request, self.settings)
        if refused is not None:
            return refused
        if self.authenticator is not None and needs_nobody(request):
            return NOBODY
        given = credential(request)
        if isinstance(given, Problem):
            return given
        if isinstance(given, Ticket):
            return self._redeem(given)
        if self.authenticator is None:
            return named_user(request)
        if given is None:
            return unauthenticated("A token is needed: Authorization: Bearer")
        return await self._identify(self.authenticator, given.text)

    async def _identify(self, authenticator: Authenticator, token: str) -> Identity | Problem:
        try:
            return await authenticator.identify(token)
        except TokenRefused as error:
            return token_problem(error.fault)
        except RequestRefused as error:
            return Problem.of(error)

    def _redeem(self, ticket: Ticket) -> Identity | Problem:
        identity = self.tickets.redeem(ticket.text, trio.current_time())
        if identity is None:
            return unauthenticated("The ticket is not valid, or not any more", error="invalid_token")
        return identity if identity.expires_at > time.time() else token_problem(TokenFault.EXPIRED)
