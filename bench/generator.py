"""The load generator, a process of its own: ``python -m bench.generator JOB JSON``, started by :mod:`bench.processes`.

A job prints a line of JSON at each point where the measuring side has something to read from ``/proc``, and waits for
a line on its standard input before it goes on. The connections stay open until that ends. All times are the machine's
monotonic clock, which server and generator share.
"""

from __future__ import annotations

import gc
import json
import select
import sys
import time
from collections.abc import Callable
from typing import Any

from bench.clients import SPEAKING, Client

BATCH = 64
"""Connections that are begun between one look at the others and the next."""

EVENTS = 1024
"""Sockets that one look at them tells of, at most."""


class Load:
    """Clients of one server, and the loop that they live in.

    Args:
        port: of the server.
        speaks: what the clients do, by :data:`bench.clients.SPEAKING`.
        seconds: how long all of it may take.
    """

    def __init__(self, port: int, speaks: str, seconds: float) -> None:
        self.port = port
        self.kind = SPEAKING[speaks]
        self.until_at = time.monotonic() + seconds
        self.clients: list[Client] = []
        self.settled_clients = 0
        self.ended_clients = 0
        self._poll = select.epoll()
        self._of: dict[int, Client] = {}
        self._connecting: set[int] = set()

    def settled(self) -> None:
        self.settled_clients += 1

    def heard(self, client: Client, payload: bytes, now: float) -> None:
        """A frame for a client that is ready; a job's own business."""

    def ended(self) -> None:
        self.ended_clients += 1

    def connect(self, count: int) -> None:
        """Begin to connect so many more clients."""
        for number in range(len(self.clients), len(self.clients) + count):
            client = self.kind(number, self.port, self)
            client.connect()
            self.clients.append(client)
            fd = client.socket.fileno()
            self._of[fd] = client
            self._connecting.add(fd)
            self._poll.register(fd, select.EPOLLOUT)
            if number % BATCH == BATCH - 1:
                self.turn(0)

    def until(self, reached: Callable[[], bool]) -> bool:
        """Go on until it is so; false where the time was over before."""
        while not reached():
            if time.monotonic() > self.until_at:
                return False
            self.turn(0.1)
        return True

    def until_settled(self) -> bool:
        """Go on until each client is ready, or closed."""
        return self.until(lambda: self.settled_clients >= len(self.clients))

    def until_greeted(self) -> bool:
        """Go on until each client has had a frame."""
        return self.until(lambda: all(client.first_at is not None or client.over for client in self.clients))

    def turn(self, seconds: float) -> None:
        for fd, _ in self._poll.poll(seconds, EVENTS):
            client = self._of[fd]
            try:
                if fd in self._connecting:
                    self._connecting.discard(fd)
                    client.greet()
                    self._poll.modify(fd, select.EPOLLIN)
                else:
                    client.read()
            except BlockingIOError:
                continue
            except OSError as error:
                client.end(type(error).__name__)
            if client.over:
                self._poll.unregister(fd)


def tell(**facts: Any) -> None:
    """Tell the measuring side, with what this process has used itself, and wait until it has taken note."""
    print(json.dumps(facts | {"load_cpu_seconds": time.process_time()}), flush=True)
    sys.stdin.readline()


def what_became(load: Load) -> dict[str, Any]:
    """What became of each client."""
    names = ("first_at", "ready_at", "error_at", "error_code", "close_code", "outcome", "frames")
    return {"clients": [{name: getattr(client, name) for name in names} for client in load.clients]}


def stampede(port: int, speaks: str, seconds: float, clients: int) -> None:
    """All connect at once, and wait to be ready."""
    load = Load(port, speaks, seconds)
    began_at = time.monotonic()
    load.connect(clients)
    load.until_settled()
    tell(began_at=began_at, **what_became(load))


def closed(port: int, speaks: str, seconds: float, clients: int) -> None:
    """All connect at once, and wait for the end of their connection."""
    load = Load(port, speaks, seconds)
    began_at = time.monotonic()
    load.connect(clients)
    load.until(lambda: load.ended_clients >= clients)
    tell(began_at=began_at, **what_became(load))


def hold(port: int, speaks: str, seconds: float, clients: int) -> None:
    """One connects, then the others; then all are ready. Each time the server's memory is looked at."""
    load = Load(port, speaks, seconds)
    load.connect(1)
    tell(greeted=load.until_greeted())
    load.connect(clients)
    tell(greeted=load.until_greeted(), ready=sum(client.ready_at is not None for client in load.clients))
    tell(ready=load.until_settled())


class Echo(Load):
    """Each client has one ping on its way, until it has had so many."""

    def begin(self, pings: int) -> None:
        self.left = len(self.clients)
        self.pings = pings
        self.sent_at = [0.0] * self.left
        self.nonces = [0] * self.left
        self.seconds: list[float] = []
        for client in self.clients:
            self.ping(client)

    def ping(self, client: Client) -> None:
        self.nonces[client.number] += 1
        client.send(b'{"type":"ping","nonce":%d}' % self.nonces[client.number])
        self.sent_at[client.number] = time.monotonic()

    def heard(self, client: Client, payload: bytes, now: float) -> None:
        nonce = json.loads(payload).get("nonce")
        if nonce != self.nonces[client.number]:
            return
        self.seconds.append(now - self.sent_at[client.number])
        if nonce < self.pings:
            self.ping(client)
        else:
            self.left -= 1


def echo(port: int, speaks: str, seconds: float, clients: int, pings: int) -> None:
    """A ping a client, again and again."""
    load = Echo(port, speaks, seconds)
    load.connect(clients)
    tell(ready=load.until_settled())
    began_at = time.monotonic()
    load.begin(pings)
    done = load.until(lambda: load.left == 0)
    tell(done=done, wall_seconds=time.monotonic() - began_at, seconds=load.seconds)


class Stream(Load):
    """Each client asks once, and reads its answer."""

    def begin(self, deltas: int) -> None:
        self.left = len(self.clients)
        self.events = 0
        self.characters = [0] * self.left
        self.spelled: list[int] = []
        for client in self.clients:
            client.send(b'{"type":"user_message","message_id":"m%d","content":"%d"}' % (client.number, deltas))

    def heard(self, client: Client, payload: bytes, now: float) -> None:  # noqa: ARG002  a crowd's
        frame = json.loads(payload)
        kind = frame["type"]
        if kind == "agent_delta":
            self.characters[client.number] += len(frame["text"])
        self.events += kind.startswith("agent_")
        if kind in ("agent_completed", "agent_failed", "error"):
            self.left -= 1
            if kind == "agent_completed":
                self.spelled.append(self.characters[client.number])


def stream(port: int, speaks: str, seconds: float, clients: int, deltas: int) -> None:
    """An answer for each client, all at once."""
    load = Stream(port, speaks, seconds)
    load.connect(clients)
    tell(ready=load.until_settled())
    began_at = time.monotonic()
    load.begin(deltas)
    done = load.until(lambda: load.left == 0)
    tell(done=done, wall_seconds=time.monotonic() - began_at, events=load.events, spelled=load.spelled)


JOBS = {job.__name__: job for job in (stampede, closed, hold, echo, stream)}

if __name__ == "__main__":
    gc.disable()  # what it makes has no cycles, and a collection would be measured as the server's lag
    JOBS[sys.argv[1]](**json.loads(sys.argv[2]))
