"""A few real kills under load, and a judge that notices what must not be. ``nox -s soak`` makes two hundred."""

from __future__ import annotations

import copy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from bench.crash_clients import Tab, User, Watch  # noqa: E402
from bench.crash_judge import judge  # noqa: E402

Frame = dict[str, Any]


def test_every_acknowledged_message_ends_once_whenever_the_server_is_killed() -> None:
    command = [sys.executable, "-m", "bench.crashes", "--kills", "4", "--users", "2", "--speed", "6", "--no-keep"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ended as agent_completed" in done.stdout


def test_a_client_reads_its_run_through_restarts() -> None:
    command = [sys.executable, "-m", "bench.restarts", "--restarts", "3", "--speed", "4", "--no-keep"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


# --- the judge ------------------------------------------------------------------------------------------------------


def event(seq: int, kind: str, **fields: Any) -> Frame:
    common = {"timestamp": 1.0, "user_id": "u", "thread_id": "t", "run_id": "r", "epoch": "e", "seq": seq}
    return {"type": kind, **common, **fields}


def answer(text: str) -> Frame:
    provenance: Frame = {"agent": "steady", "engine": "Steady", "model": None, "tool_calls": [], "generation": 1}
    told = {"answered": True, "text": text, "insights": [], "recommendations": [], "action_items": [], "evidence": []}
    return {"answer": told, "provenance": provenance, "duration_seconds": 1.0}


HEARD = [
    event(1, "agent_started", agent="steady", message_id="m"),
    event(2, "agent_delta", text="lo", offset=0),
    event(3, "agent_delta", text="st ", offset=2),
    event(5, "agent_delta", text="", offset=5, first_seq=4),
    event(6, "agent_restarted", attempt=2),
    event(7, "agent_delta", text="all ", offset=0),
    event(8, "agent_delta", text="well", offset=4),
    event(9, "agent_completed", **answer("all well")),
]
LOG = [
    HEARD[0],
    event(5, "agent_delta", text="", offset=0, first_seq=2),
    HEARD[4],
    event(8, "agent_delta", text="all well", offset=0, first_seq=7),
    HEARD[7],
]


class Story:
    """One user whose only run was begun again, and what is told of it."""

    def __init__(self) -> None:
        self.user = User("u", Random(1), sent={"m": {"message_id": "m"}})
        self.user.accepted = {"m": [{"thread_id": "t", "run_id": "r"}, {"thread_id": "t", "run_id": "r"}]}
        self.log, self.heard = copy.deepcopy(LOG), copy.deepcopy(HEARD)
        self.messages: list[Frame] = [{"role": "user", "message_id": "m"}, {"role": "agent", "message_id": None}]

    def faults(self) -> list[str]:
        tab = Tab("", self.user, True, lambda _: None)
        tab.heard = self.heard
        tab.watches = {"t": Watch(seq=self.heard[-1]["seq"], live=True, taken=self.heard)}
        return judge([self.user], [tab], {"t": self.log}, self.messages)


def test_the_judge_finds_nothing_where_nothing_is_wrong() -> None:
    assert Story().faults() == []


def lose_an_end(story: Story) -> None:
    del story.log[-1], story.heard[-1]


def end_twice(story: Story) -> None:
    for events in (story.log, story.heard):
        events.append({**events[-1], "seq": 10})


def leave_a_gap(story: Story) -> None:
    del story.log[1]


def reuse_a_number(story: Story) -> None:
    story.heard[5] = {**story.heard[5], "text": "ill "}


def use_a_number_for_another_kind(story: Story) -> None:
    story.heard[2] = event(3, "agent_thinking", text="hm")


def keep_void_text(story: Story) -> None:
    del story.heard[4]
    for event_, offset in zip(story.heard[4:6], (5, 9), strict=True):
        event_["offset"] = offset


def answer_another_text(story: Story) -> None:
    story.log[-1] = event(9, "agent_completed", **answer("all"))


def run_twice(story: Story) -> None:
    story.user.accepted["m"][1] = {"thread_id": "t", "run_id": "r2"}


def keep_twice(story: Story) -> None:
    story.messages.append(story.messages[0])


def lose_a_message(story: Story) -> None:
    story.user.sent["m2"] = {"message_id": "m2"}


def hear_twice(story: Story) -> None:
    story.heard.insert(1, story.heard[0])


def miss_the_last(story: Story) -> None:
    del story.heard[-1]


@pytest.mark.parametrize(
    "damage",
    [
        lose_an_end,
        end_twice,
        leave_a_gap,
        reuse_a_number,
        use_a_number_for_another_kind,
        keep_void_text,
        answer_another_text,
        run_twice,
        keep_twice,
        lose_a_message,
        hear_twice,
        miss_the_last,
    ],
)
def test_the_judge_notices(damage: Callable[[Story], None]) -> None:
    story = Story()
    damage(story)
    assert story.faults()
