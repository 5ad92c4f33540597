"""The analyst at work for many at once: how long a question takes to its first event, and to its answer.

``python -m bench.analyst --data FOLDER --users 50`` starts ``chatcore serve --data …`` with what there is in it, and
lets as many users ask a question of each kind, each in an order of its own. What is measured: bench/README.md.
"""

from __future__ import annotations

import json
import math
import os
import random
import re
import selectors
import sys
import time
import urllib.request
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import attrs
import trio
from cyclopts import App

from bench.analyst_questions import QUESTIONS, another_question
from bench.clients import PING, PONG, TEXT, Client
from bench.processes import ROOT, Server, chatcore, family, others_cpu_seconds, serving
from bench.results import percentile, save

FILES = (
    "llm_usage.csv",
    "llm_send_errors.csv",
    "model_prices.csv",
    "genai_prices.json",
    "model_quality_cost.csv",
    "azure_llm_trace_2023_code.csv",
    "azure_llm_trace_2023_conv.csv",
    "mooncake_conversation_trace.jsonl",
)
"""Of the folder, what a server is given; what is not there is left out, and named."""

FIRST_EVENT_SECONDS, ANSWER_SECONDS, LAG_SECONDS = 0.1, 1.0, 0.05
"""The goals."""

ALL_SECONDS = 1800.0
"""For all questions of all users."""

SETTINGS = {"CHATCORE_MAX_MESSAGES_PER_MINUTE": "0"}

_BUCKET = re.compile(r'^chatcore_event_loop_lag_seconds_bucket\{le="([^"]+)"\} (\S+)$', re.MULTILINE)
_KIND = re.compile(rb'"tool":"run_intent","arguments":\{[^}]*?"kind":"(\w+)"')


@attrs.frozen
class Timing:
    """How long one question took.

    Args:
        kind: of the question.
        first_seconds: from its sending to the first event of its run.
        answer_seconds: from its sending to its answer.
        fault: why it is no answer to that question; None where it is one.
    """

    kind: str
    first_seconds: float
    answer_seconds: float
    fault: str | None


class User(Client):
    """A user who asks one question after another.

    Args:
        number: of the user.
        port: of the server.
        questions: that are asked one after another, each with its kind.
        pauses: seconds between an answer and the next question, and before the first one.
    """

    def __init__(
        self, number: int, port: int, questions: Sequence[tuple[str, str]], pauses: Callable[[], float]
    ) -> None:
        super().__init__(number, port)
        self.left = list(reversed(questions))
        self.pauses = pauses
        self.timings: list[Timing] = []
        self.next_at: float | None = None
        self._kind = ""
        self._asked_at = 0.0
        self._first: float | None = None
        self._taken_for = ""
        self.socket.settimeout(60)
        self.socket.connect(("127.0.0.1", port))
        self.greet()

    def take(self, opcode: int, payload: bytes, now: float) -> None:
        if opcode == PING:
            self.send_frame(PONG, payload)
        elif opcode == TEXT:
            self.note(payload, now)
        else:
            self.end("closed")

    def note(self, payload: bytes, now: float) -> None:
        """Keep what the measurement wants to know of a frame; only the last of a run is read as a whole."""
        kind = payload[: payload.find(b",")]
        if b'"agent_' in kind or b'"tool_' in kind:
            self._first = now if self._first is None else self._first
        if b'"tool_executing"' in kind and (taken := _KIND.search(payload)) is not None:
            self._taken_for = taken[1].decode()
        elif b'"agent_completed"' in kind or b'"agent_failed"' in kind:
            self._answered(payload, now)
        elif self.ready_at is None and b'"ready"' in payload:
            self.ready_at, self.next_at = now, now + self.pauses()

    def ask(self) -> None:
        """Put the next question, in a thread of its own."""
        (self._kind, content), self._first, self._taken_for, self.next_at = self.left.pop(), None, "", None
        question = {"type": "user_message", "message_id": uuid4().hex, "content": content}
        self._asked_at = time.monotonic()
        self.send(json.dumps(question).encode())

    def _answered(self, payload: bytes, now: float) -> None:
        first = now if self._first is None else self._first
        fault = _fault_of(payload, self._kind, self._taken_for)
        self.timings.append(Timing(self._kind, first - self._asked_at, now - self._asked_at, fault))
        self.next_at = now + self.pauses() if self.left else None

    @property
    def done(self) -> bool:
        """Whether every question has its answer."""
        return (
            not self.left and self.next_at is None and self.timings[-1:] != [] and self.timings[-1].kind == self._kind
        )


def _fault_of(payload: bytes, kind: str, taken_for: str) -> str | None:
    frame = json.loads(payload)
    if frame["type"] != "agent_completed":
        return str(frame.get("error_code"))
    if not frame["answer"]["answered"]:
        return str(frame["answer"]["reason"])
    return None if taken_for == kind else f"taken for {taken_for}"


@attrs.frozen
class Load:
    """Who asks how much.

    Args:
        users: who ask at once.
        each: how many questions one asks, each of another kind; all together ask of every kind alike.
        pause_seconds: on average between an answer and the next question; with 0 all ask without end.
        distinct: whether hardly any question is asked twice.
        together: whether all ask about the same at the same moment, and the next when all have their answer.
        seed: of the questions, of the orders in which they are asked, and of the pauses.
    """

    users: int
    each: int
    pause_seconds: float
    distinct: bool
    together: bool
    seed: int


def orders(load: Load, rng: random.Random) -> Iterator[list[tuple[str, str]]]:
    """What each user asks, one after another, each question with its kind."""
    kinds = sorted(QUESTIONS)
    for number in range(load.users):
        first = 0 if load.together else number * load.each
        mine = [kinds[(first + i) % len(kinds)] for i in range(min(load.each, len(kinds)))]
        asked = mine if load.together else rng.sample(mine, len(mine))
        yield [(kind, another_question(kind, rng) if load.distinct else QUESTIONS[kind]) for kind in asked]


def converse(port: int, load: Load) -> list[Timing]:
    """Let users ask, all from one thread of this process."""
    rng = random.Random(load.seed)
    pauses = _pauses(load, rng)
    crowd = [User(number, port, questions, pauses) for number, questions in enumerate(orders(load, rng), 1)]
    limit = time.monotonic() + ALL_SECONDS
    with selectors.DefaultSelector() as selector:
        for user in crowd:
            selector.register(user.socket, selectors.EVENT_READ, user)
        while not all(user.done for user in crowd):
            now = time.monotonic()
            assert now < limit, f"{sum(len(user.timings) for user in crowd)} answers in {ALL_SECONDS} s"
            if load.together and all(user.next_at == math.inf for user in crowd):
                for user in crowd:
                    user.next_at = now + load.pause_seconds
            for user in crowd:
                if user.next_at is not None and user.next_at <= now:
                    user.ask()
            for key, _ in selector.select(_until_next(crowd)):
                key.data.read()
                assert not key.data.over, f"user {key.data.number}: {key.data.outcome}"
    return [timing for user in crowd for timing in user.timings]


def _pauses(load: Load, rng: random.Random) -> Callable[[], float]:
    """How long each of them waits; where all ask together, until all can."""
    if load.together:
        return lambda: math.inf
    return (lambda: rng.expovariate(1 / load.pause_seconds)) if load.pause_seconds else (lambda: 0.0)


def _until_next(crowd: Sequence[User]) -> float:
    due = [user.next_at for user in crowd if user.next_at is not None and user.next_at < math.inf]
    return max(0.0, min(due) - time.monotonic()) if due else 1.0


@attrs.frozen
class Lags:
    """How often the server's loop was how late, by the upper bounds of the histogram, each with all below it."""

    buckets: Mapping[float, float]

    @classmethod
    def of(cls, server: Server) -> Lags:
        """What the server says of itself."""
        with urllib.request.urlopen(f"{server.url}/metrics") as reply:
            return cls({float(bound): float(count) for bound, count in _BUCKET.findall(reply.read().decode())})

    def since(self, before: Lags) -> Lags:
        """What was added."""
        return Lags({bound: count - before.buckets.get(bound, 0.0) for bound, count in self.buckets.items()})

    def within(self, share: float) -> float:
        """The least bound that holds of this share of the measurements."""
        most = max(self.buckets.values(), default=0.0)
        return min((bound for bound, count in self.buckets.items() if count >= share * most), default=float("nan"))


@attrs.frozen
class Outcome:
    """What came of one round.

    Args:
        timings: of every question.
        seconds: the round.
        cpu_seconds: of the server.
        others_cores: what else kept the machine busy, in cores.
        lag_seconds: bounds of the loop's lag, by the share of the measurements that are within them.
        blocked: the lines of the server's log that say its loop stood still.
    """

    timings: list[Timing]
    seconds: float
    cpu_seconds: float
    others_cores: float
    lag_seconds: dict[str, float]
    blocked: list[str]


async def play(paths: Sequence[Path], load: Load) -> Outcome:
    """One round, with a server of its own whose data is loaded."""
    given = [argument for path in paths for argument in ("--data", str(path))]
    async with serving(chatcore("--prewarm", *given), SETTINGS) as server:
        await trio.to_thread.run_sync(_until_ready, server)
        return await trio.to_thread.run_sync(_measure, server, load)


def _until_ready(server: Server) -> None:
    client = Client(0, server.port)
    client.socket.settimeout(60)
    client.socket.connect(("127.0.0.1", server.port))
    client.greet()
    while client.ready_at is None:
        assert not client.over, client.outcome
        client.read()
    client.socket.close()


def _measure(server: Server, load: Load) -> Outcome:
    before, cpu, others, began_at = Lags.of(server), server.cpu_seconds(), _strangers(server), time.monotonic()
    timings = converse(server.port, load)
    seconds = time.monotonic() - began_at
    cpu, others, lags = server.cpu_seconds() - cpu, _strangers(server) - others, Lags.of(server).since(before)
    blocked = [line for line in (server.folder / "log").read_text().splitlines() if "event_loop_blocked" in line]
    within = {"p50": lags.within(0.5), "p99": lags.within(0.99), "max": lags.within(1.0)}
    return Outcome(timings, seconds, cpu, others / seconds, within, blocked)


def _strangers(server: Server) -> float:
    assert server.pid in family(os.getpid())
    return others_cpu_seconds()


def table(outcome: Outcome) -> Iterator[str]:
    """The round, as Markdown."""
    by_kind: dict[str, list[Timing]] = defaultdict(list)
    for timing in outcome.timings:
        by_kind[timing.kind].append(timing)
    yield "| kind | first event p50 ms | p99 ms | answer p50 ms | p99 ms | faults |"
    yield "|---|---:|---:|---:|---:|---:|"
    slowest_first = sorted(by_kind, key=lambda kind: -max(each.answer_seconds for each in by_kind[kind]))
    for kind, timings in ((kind, by_kind[kind]) for kind in slowest_first):
        yield _row(kind, timings)
    yield _row("**all**", outcome.timings)


def _row(name: str, timings: Sequence[Timing]) -> str:
    shown = [
        f"{1e3 * percentile([getattr(each, which) for each in timings], share):.0f}"
        for which in ("first_seconds", "answer_seconds")
        for share in (0.5, 0.99)
    ]
    return f"| {name} | {' | '.join(shown)} | {sum(each.fault is not None for each in timings)} |"


def report(outcome: Outcome) -> bool:
    """Print what came of it; whether the goals are met."""
    print("\n".join(table(outcome)))
    count = len(outcome.timings)
    print(
        f"\n{count} answers in {outcome.seconds:.1f} s; the server used {1e3 * outcome.cpu_seconds / count:.1f} ms "
        f"of CPU an answer; others kept {outcome.others_cores:.1f} cores busy; the loop's lag was within "
        + ", ".join(f"{1e3 * bound:g} ms ({share})" for share, bound in outcome.lag_seconds.items())
        + f"; {len(outcome.blocked)} lines say that it was blocked"
    )
    for fault in sorted({f"{each.kind}: {each.fault}" for each in outcome.timings if each.fault is not None}):
        print(f"no answer: {fault}")
    return met(outcome)


def met(outcome: Outcome) -> bool:
    """Whether all was answered, and within the goals, of each hundred 99."""
    first = percentile([each.first_seconds for each in outcome.timings], 0.99)
    answer = percentile([each.answer_seconds for each in outcome.timings], 0.99)
    answered = all(each.fault is None for each in outcome.timings)
    in_time = first <= FIRST_EVENT_SECONDS and answer <= ANSWER_SECONDS
    return answered and in_time and outcome.lag_seconds["p99"] <= LAG_SECONDS


def main(
    *,
    data: Path,
    users: int = 50,
    each: int = len(QUESTIONS),
    pause_seconds: float = 0.0,
    distinct: bool = False,
    together: bool = False,
    seed: int = 1,
) -> int:
    """Measure the analyst; the exit code is 1 where a goal is missed.

    Args:
        data: the folder of the supplied data.
        users: who ask at once.
        each: how many questions one asks, each of another kind; all together ask of every kind alike.
        pause_seconds: on average between an answer and the next question; with 0 all ask without end.
        distinct: ask each question about something of its own, so that the rows are looked up each time.
        together: all ask about the same at the same moment, kind after kind.
        seed: of the questions, of the orders in which they are asked, and of the pauses.
    """
    load = Load(users, each, pause_seconds, distinct, together, seed)
    paths = [path for name in FILES if (path := data.resolve() / name).exists()]
    for name in sorted(set(FILES) - {path.name for path in paths}):
        print(f"left out, as it is not there: {name}", file=sys.stderr)
    outcome = trio.run(play, paths, load)
    settings: dict[str, Any] = attrs.asdict(load) | {"data": [path.name for path in paths]}
    saved = save("analyst", settings, attrs.asdict(outcome))
    good = report(outcome)
    print(f"written to {saved.relative_to(ROOT)}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(App(default_command=main, help=__doc__, result_action="return_value")())
