"""What the agents of a history do: a script drawn from the words of the message, which the judge can draw again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

import attrs
import trio

from chatcore.agents.base import Run
from chatcore.protocol.messages import Answer, UserMessage
from chatcore.testing.agents import Fail, Reply, Say, Step, Think, UseTool, Wait, follow

PAUSES = (0.0, 0.0, 0.0, 0.001, 0.01, 0.05, 0.4)
"""Seconds between two steps: faults strike while the agent works, while it waits, and in the same instant."""

PARTS = (
    "",
    "a",
    "é",
    "日本",
    "🙂",
    "e\u0301",
    "👩‍👧",
    "\n",
    ' "an open',
    "` code",
    "word " * 12,
    "\t",
    "\\",
)
"""What a part of an answer may be: nothing, several bytes a character, several characters a sign, what JSON escapes."""

FLOOD = 150
"""Deltas in a row, more than may wait for storage."""


@attrs.frozen
class Told:
    """What a script comes to.

    Args:
        steps: of the agent.
        text: the answer it gives when nothing comes between.
        fails: whether it raises instead.
    """

    steps: Sequence[Step]
    text: str
    fails: bool


def tag_of(user: str) -> str:
    """What stands in every message and every answer of a user, and nowhere else."""
    return f"⟦{user}⟧"


def told_by(content: str) -> Told:
    """The script that this message is answered by."""
    rng = Random(content)
    tag = content.partition(" ")[0]
    steps: list[Step] = []
    said: list[str] = []
    for step in _steps(rng, tag):
        steps.append(step)
        said += _said(step)
        if pause := rng.choice(PAUSES):
            steps.append(Wait(pause))
    ending = rng.random()
    if ending < 0.15:
        steps.append(Fail())
    elif not "".join(said):
        said = [f"{tag} answered without a word before"]
        steps.append(Reply(Answer(text=said[0])))
    return Told(steps, "".join(said), fails=ending < 0.15)


def _steps(rng: Random, tag: str) -> Iterator[Step]:
    for _ in range(rng.randint(0, 7)):
        kind = rng.random()
        if kind < 0.6:
            yield from (Say(rng.choice((*PARTS, tag))) for _ in range(rng.randint(1, 4)))
        elif kind < 0.75:
            yield Think(f"{tag} {rng.choice(PARTS)}")
        elif kind < 0.97:
            inner: list[Step] = [Say(rng.choice(PARTS)), Wait(rng.choice(PAUSES))]
            yield UseTool("look", {"where": tag}, inner[: rng.randint(0, 2)], summary=f"{tag} {rng.choice(PARTS)}")
        else:
            yield from (Say(rng.choice("xyé")) for _ in range(rng.randint(2, FLOOD)))


def _said(step: Step) -> list[str]:
    match step:
        case Say(text):
            return [text]
        case UseTool(steps=inner):
            return [part for each in inner for part in _said(each)]
    return []


@attrs.define(eq=False)
class Steady:
    """Answers; a run of it that a crash has broken off is lost."""

    async def respond(self, message: UserMessage, run: Run) -> Answer:
        """See :class:`~chatcore.Agent`."""
        return await _answer(message, run)


@attrs.define(eq=False)
class Restartable:
    """Answers, and may be asked again after a crash."""

    restartable = True

    async def respond(self, message: UserMessage, run: Run) -> Answer:
        """See :class:`~chatcore.Agent`."""
        return await _answer(message, run)


async def _answer(message: UserMessage, run: Run) -> Answer:
    await trio.lowlevel.checkpoint()
    return await follow(told_by(message.content).steps, run) or Answer()
