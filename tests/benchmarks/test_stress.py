"""The stress benchmark measures what it says: its clients read any bytes, its figures are of the servers it started."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from websockets.frames import Frame, Opcode

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from bench.clients import SPEAKING, Client  # noqa: E402
from bench.compare import Comparison, Effort  # noqa: E402
from bench.designs import DESIGNS, OURS, REFERENCE, UNLOGGED  # noqa: E402
from bench.goals import judge  # noqa: E402
from bench.processes import Cores  # noqa: E402
from bench.workloads.base import Place  # noqa: E402
from bench.workloads.stampede import stampede  # noqa: E402
from bench.workloads.steady import echo, stream  # noqa: E402

HERE = Place(environments=None, cores=Cores())


async def test_a_small_stampede_at_chatcore_is_measured() -> None:
    figures = await stampede(clients=20, start_seconds=0.5).play(HERE, OURS)
    assert figures["ready"] == 20
    assert figures["lost"] == {}
    assert figures["frames"] >= 1
    assert 0 < figures["cpu_seconds"] < 60
    assert 0 <= figures["lag_p50_seconds"] <= figures["lag_p99_seconds"] <= figures["lag_max_seconds"]


async def test_a_stream_without_durable_deltas_is_whole() -> None:
    figures = await stream(clients=2, deltas=25).play(HERE, UNLOGGED)
    assert figures["a_second"] > 0


class Crowd:
    """Keeps what clients tell."""

    def __init__(self) -> None:
        self.heard_payloads: list[bytes] = []
        self.settled_count = self.ended_count = 0

    def settled(self) -> None:
        self.settled_count += 1

    def heard(self, client: Client, payload: bytes, now: float) -> None:
        self.heard_payloads.append(payload)

    def ended(self) -> None:
        self.ended_count += 1


def say(speaks: str, payload: bytes) -> bytes:
    """What a server writes for one frame of the chat."""
    if speaks == "lines":
        return payload + b"\n"
    if speaks == "socketio":
        payload = b'42["frame",' + payload + b"]"
    return Frame(Opcode.TEXT, payload).serialize(mask=False)


@pytest.mark.parametrize("speaks", SPEAKING)
@pytest.mark.parametrize("size", [1, 2, 7, 126, 4096, 100_000])
def test_clients_read_frames_of_any_length_in_pieces_of_any_size(speaks: str, size: int) -> None:
    lengths = (0, 100, 114, 115, 116, 300, 70_000 if size > 100 else 400)
    payloads = [b'{"text":"%s"}' % (b"x" * length) for length in lengths]
    head = b"" if speaks == "lines" else b"HTTP/1.1 101 Switching Protocols\r\n\r\n"
    data = head + b"".join(say(speaks, payload) for payload in (b'{"event":"ready"}', *payloads))
    crowd = Crowd()
    client = SPEAKING[speaks](0, 0, crowd)
    client.socket.close()
    client.greeting()
    for at in range(0, len(data), size):
        client.take_in(data[at : at + size], now=at)
    assert client.ready_at is not None
    assert crowd.heard_payloads == payloads
    assert (crowd.settled_count, crowd.ended_count) == (1, 0)


def test_a_refused_upgrade_and_a_close_are_ends() -> None:
    refused, closed = Client(0, 0, Crowd()), Client(0, 0, Crowd())
    for client in (refused, closed):
        client.socket.close()
    refused.take_in(b"HTTP/1.1 503 Service Unavailable\r\n\r\n", now=1.0)
    closed.take_in(b"HTTP/1.1 101 Switching Protocols\r\n\r\n", now=1.0)
    closed.take_in(Frame(Opcode.TEXT, b'{"type":"error","error_code":"X"}').serialize(mask=False), now=2.0)
    closed.take_in(Frame(Opcode.CLOSE, b"\x03\xf3").serialize(mask=False), now=3.0)
    assert (refused.over, refused.outcome) == (True, "HTTP/1.1 503 Service Unavailable")
    assert (closed.over, closed.close_code, closed.error_code, closed.error_at) == (True, 1011, "X", 2.0)


def test_designs_take_turns() -> None:
    designs, crowd = [OURS, REFERENCE, DESIGNS["granian"]], stampede(5000)
    assert list(Effort(3, full=True).players(crowd, designs)) == [designs, designs[::-1], designs]
    assert list(Effort(2, full=False).players(crowd, designs)) == [designs[:2], designs[1::-1]]
    assert list(Effort(2, full=False).players(stampede(1000), designs)) == [designs, designs[1::-1]]
    assert list(Effort(1, full=False).players(echo(1, 1), [UNLOGGED])) == [[]]


def test_goals_are_judged_by_the_medians() -> None:
    ours, theirs = [{"cpu_seconds_each": each} for each in (9.0, 1.0, 2.0)], [{"cpu_seconds_each": 3.0}]
    compared = {"echo": Comparison(echo(1, 1), {OURS.name: ours, REFERENCE.name: theirs})}
    (verdict,) = judge(compared)
    assert (verdict.figure, verdict.met) == (1.5, True)
    assert judge({"echo": Comparison(echo(1, 1), {OURS.name: ours})}) == []


def test_growth_is_held_against_the_number_of_clients() -> None:
    def crowd(clients: int, lag: float) -> Comparison:
        return Comparison(stampede(clients), {OURS.name: [{"cpu_seconds": clients / 1000, "lag_p99_seconds": lag}]})

    verdicts = judge({"stampede-1000": crowd(1000, 0.1), "stampede-10000": crowd(10_000, 1.1)})
    assert [(verdict.figure, verdict.met) for verdict in verdicts] == [(10, True), (pytest.approx(11), False)]
