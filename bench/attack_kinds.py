"""What an attack is, and how those are made that say one thing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import attrs

from bench.hostile import Target


@attrs.frozen
class Attacker:
    """One connection of an attack.

    Args:
        target: of it.
        user: of its own.
        number: of the connection, from 0.
    """

    target: Target
    user: str
    number: int


Act: TypeAlias = Callable[[Attacker], Awaitable[str]]
"""What an attacker does; how it ended."""


@attrs.frozen
class Attack:
    """An attack.

    Args:
        name: of it.
        clients: connections at once.
        ends: how each may end.
        act: what each does.
        counted: what the server counts each as (``chatcore_connections_total``), where that is more than its end says.
        slow: whether it mostly waits, for seconds.
        prepare: what it needs and is not measured.
    """

    name: str
    clients: int
    ends: frozenset[str]
    act: Act = attrs.field(repr=False)
    counted: str | None = None
    slow: bool = False
    prepare: Callable[[Target], Awaitable[None]] | None = attrs.field(default=None, repr=False)


ATTACKS: list[Attack] = []


def attack(name: str, clients: int, *ends: str, **more: Any) -> Callable[[Act], Act]:
    """Add an attack to the catalogue."""

    def add(act: Act) -> Act:
        ATTACKS.append(Attack(name, clients, frozenset(ends), act, **more))
        return act

    return add


def sends(name: str, clients: int, *ends: str, data: bytes, compressed: bool = False) -> None:
    """Add an attack that sends this on an open WebSocket, once."""

    async def act(me: Attacker) -> str:
        async with me.target.websocket(me.user, compressed=compressed) as line:
            await line.send(data)
            return await line.end()

    attack(name, clients, *ends)(act)


def floods(
    name: str, clients: int, *ends: str, first: bytes = b"", data: bytes, times: int, compressed: bool = False
) -> None:
    """Add an attack that sends this again and again, as long as it is let."""

    async def act(me: Attacker) -> str:
        async with me.target.websocket(me.user, compressed=compressed) as line:
            await line.send(first)
            return await line.while_sending(data, times)

    attack(name, clients, *ends)(act)


def asks(name: str, clients: int, *ends: str, requests: tuple[bytes, ...]) -> None:
    """Add an attack of requests, one a connection: each connection takes the next of them."""

    async def act(me: Attacker) -> str:
        async with me.target.line() as line:
            await line.send(requests[me.number % len(requests)])
            status = await line.status()
            assert b"HTTP/1.1 2" not in await line.rest() or status in ends, "a request was smuggled"
            return status

    attack(name, clients, *ends)(act)
