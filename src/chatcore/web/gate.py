"""Who comes in: what :mod:`.admission` decides from the request, and what takes a look at a token or a ticket."""

from __future__ import annotations

import time
from typing import Final

import attrs
import trio

from chatcore.addresses import Network, networks, sender
from chatcore.auth.authenticator import Authenticator
from chatcore.auth.claims import Identity, TokenFault, TokenRefused
from chatcore.auth.guesses import Guesses
from chatcore.auth.tickets import TicketOffice
from chatcore.errors import RequestRefused
from chatcore.limits import TokenBucket
from chatcore.observability import Recorder
from chatcore.settings import Settings
from chatcore.web.admission import (
    Request,
    Ticket,
    credential,
    named_user,
    needs_nobody,
    screen,
    token_problem,
    too_many_guesses,
    unauthenticated,
)
from chatcore.web.problems import Problem

LINES_PER_SECOND: Final = 1 / 60
LINES_AT_ONCE: Final = 10
"""Of the log, about addresses that guess: who wants to fill it finds another way."""

NOBODY: Final = Identity("")
"""Who asks for what is open to everyone. It is no user's name, so nothing is theirs."""


@attrs.frozen(eq=False)
class Gate:
    """Tells who sends a request.

    Args:
        settings: of the server.
        tickets: that were issued.
        authenticator: checks tokens; None where nobody is authenticated.
        recorder: hears of addresses that guess.
    """

    settings: Settings
    tickets: TicketOffice
    authenticator: Authenticator | None
    recorder: Recorder
    _guesses: Guesses = attrs.field(init=False)
    _proxies: tuple[Network, ...] = attrs.field(init=False)
    _lines: TokenBucket = attrs.field(factory=lambda: TokenBucket(LINES_PER_SECOND, LINES_AT_ONCE), init=False)

    @_guesses.default
    def _no_guesses(self) -> Guesses:
        return Guesses(self.settings.max_bad_tokens_per_minute)

    @_proxies.default
    def _trusted_proxies(self) -> tuple[Network, ...]:
        return networks(self.settings.trusted_proxies)

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
            return self._redeem(request, given)
        if self.authenticator is None:
            return named_user(request)
        if given is None:
            return unauthenticated("A token is needed: Authorization: Bearer")
        return await self._identify(request, self.authenticator, given.text)

    async def _identify(self, request: Request, authenticator: Authenticator, token: str) -> Identity | Problem:
        wait = self._guesses.wait(self._sender(request), trio.current_time())
        if wait > 0 and not self._guesses.was_right(token):
            return too_many_guesses(wait)
        try:
            identity = await authenticator.identify(token)
        except TokenRefused as error:
            if error.fault is not TokenFault.EXPIRED:  # that was a right one
                self._guessed(request)
            return token_problem(error.fault)
        except RequestRefused as error:
            return Problem.of(error)
        self._guesses.right(token)
        return identity

    def _redeem(self, request: Request, ticket: Ticket) -> Identity | Problem:
        """Whose ticket it is. To look costs nothing, so a right one is always taken."""
        identity = self.tickets.redeem(ticket.text, trio.current_time())
        if identity is not None:
            return identity if identity.expires_at > time.time() else token_problem(TokenFault.EXPIRED)
        wait = self._guesses.wait(self._sender(request), trio.current_time())
        if wait > 0:
            return too_many_guesses(wait)
        self._guessed(request)
        return unauthenticated("The ticket is not valid, or not any more", error="invalid_token")

    def _guessed(self, request: Request) -> None:
        address = self._sender(request)
        now = trio.current_time()
        if self._guesses.wrong(address, now) and self._lines.take(now) == 0:
            self.recorder.log("guesses_refused", address=address, peer=request.peer)

    def _sender(self, request: Request) -> str:
        return sender(request.peer, request.headers.get("x-forwarded-for"), self._proxies)
