"""What the terminal is shown, and that nothing a server says is obeyed by it."""

from __future__ import annotations

import io
import re
from typing import Any

import msgspec
import pytest
from client_peer import frame
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from chatcore.cli_screen import Screen, start_words
from chatcore.cli_text import duration, one_line, printable
from chatcore.protocol.messages import (
    AgentCompleted,
    AgentDelta,
    AgentRestarted,
    AgentThinking,
    Answer,
    Covered,
    Evidence,
    InitializationProgress,
    Initializing,
    Recommendation,
    Recovering,
    ToolCompleted,
    ToolExecuting,
)

EVIL = "\x1b[2J\x1b]0;title\x07[bold red]mark[/bold red]\x9b31m\u202eover"
"""Clears the screen, sets the title, is markup, and reads backwards."""


def screen(*, terminal: bool = False, width: int = 100) -> Screen:
    consoles = [
        Console(file=io.StringIO(), force_terminal=terminal, width=width, highlight=False, color_system=None)
        for _ in range(2)
    ]
    return Screen(*consoles)


def shown(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


EVIDENCE = Evidence(
    id="e1",
    tool="sql",
    query="SELECT month, cost FROM usage",
    parameters={},
    columns=["month", "cost"],
    rows=[["2026-01", 12.5], ["2026-02", None]],
    row_count=9,
    sha256="abcdef0123456789",
    data_version="v7",
)


# --- text -----------------------------------------------------------------------------------------------------------


@given(st.text(st.characters()))
def test_nothing_that_a_terminal_obeys_is_left(text: str) -> None:
    safe = printable(text)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]", safe)
    safe.encode()
    assert "\n" not in one_line(text)
    assert len(one_line(text, 10)) <= 10


def test_ordinary_text_stays_as_it_is() -> None:
    text = "Zürich\t5 €\n👩‍🚀 שלום"
    assert printable(text) == text


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "–"),
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (12.4, "12 s"),
        (59.6, "1 min 0 s"),
        (200, "3 min 20 s"),
        (7500, "2 h 5 min"),
    ],
)
def test_durations(seconds: float | None, words: str) -> None:
    assert duration(seconds) == words


# --- the start ------------------------------------------------------------------------------------------------------


def test_steps_in_words() -> None:
    step = frame(InitializationProgress, label="order history", progress=25, elapsed_seconds=2.0, eta_seconds=6.0)
    assert start_words(step) == "order history: starting; 25 % after 2.0 s, about 6.0 s left"
    unknown = frame(InitializationProgress, label=None, message="a new attempt", eta_seconds=None, status="retrying")
    assert start_words(unknown) == "a new attempt; 10 % after 1.0 s"
    assert start_words(frame(Initializing, progress=40)) == "the services are starting: 40 %"
    assert start_words(frame(Recovering)) == "order history was lost and is being started again"


def test_elsewhere_each_step_is_a_line_and_its_waiting_is_none() -> None:
    there = screen()
    there.starting(frame(Initializing))
    there.starting(frame(InitializationProgress))
    there.starting(frame(InitializationProgress, status="waiting"))
    there.starting(frame(InitializationProgress, status="completed"))
    there.ready()
    there.ready()
    assert [line.split(":")[0] for line in shown(there.err).splitlines()] == [
        "the services are starting",
        "order history",
        "order history",
        "ready",
    ]
    assert shown(there.out) == ""


def test_on_a_terminal_the_start_is_drawn_and_vanishes() -> None:
    there = screen(terminal=True)
    with there.busy():
        there.starting(frame(InitializationProgress, progress=25))
        there.err.print(there._now())
        there.ready()
    text = shown(there.err)
    assert "order history: starting; 25 %" in text
    assert "━" in text
    assert "ready" in text


# --- a run ----------------------------------------------------------------------------------------------------------


def test_what_a_run_does_is_told_beside_the_answer() -> None:
    there = screen()
    for event in (
        frame(AgentThinking, seq=1, text="Looking"),
        frame(ToolExecuting, seq=2, arguments={"text": "shoes", "n": 3}),
        frame(ToolCompleted, seq=3, summary="2 orders", duration_seconds=0.25),
        frame(ToolExecuting, seq=4),
        frame(ToolCompleted, seq=5, status="error", summary="", duration_seconds=11.0),
        frame(AgentRestarted, seq=6),
    ):
        there.event(event)
    assert shown(there.err).splitlines() == [
        "Looking",
        "→ find text='shoes', n=3",
        "✓ find: 2 orders (0.2 s)",
        "→ find",
        "✗ find: error (11 s)",
        "beginning again; what was said so far is void",
    ]


def test_the_growing_answer_is_drawn_from_its_end_and_voided_by_a_restart() -> None:
    there = screen(terminal=True)
    there.event(frame(AgentDelta, seq=1, text="\n\n".join(f"line {n}" for n in range(40)), offset=0))
    there.err.print(there._now())
    assert "line 39" in shown(there.err)
    assert "line 5" not in shown(there.err)
    there.event(frame(AgentRestarted, seq=2))
    there.event(frame(AgentDelta, seq=3, text="again", offset=0))
    there.err.print(there._now())
    assert shown(there.err).splitlines()[-1].strip() == "again"
    there.event(frame(AgentDelta, seq=4, text="", offset=2))  # a crash has lost the rest
    there.event(frame(AgentDelta, seq=5, text="ile", offset=2))
    there.err.print(there._now())
    assert shown(there.err).splitlines()[-1].strip() == "agile"


def test_why_there_is_no_answer() -> None:
    there = screen()
    answer = Answer(
        answered=False,
        text="No data.",
        reason="out_of_range",
        missing=["June"],
        covered=Covered(from_="2026-01-01", to="2026-03-31"),
        alternatives=["What was spent in March?"],
    )
    there.about(frame(AgentCompleted, seq=1, answer=answer))
    assert shown(there.err).splitlines() == [
        "not answered: the data does not cover that",
        "missing: June",
        "the data covers 2026-01-01 to 2026-03-31",
        "you could ask: What was spent in March?",
        "a · planner · 0 tool calls · 0 queries · 1.0 s",
    ]


def test_data_without_a_time_covers_nothing_to_tell() -> None:
    there = screen()
    answer = Answer(answered=False, text="No data.", reason="no_rows", covered=Covered())
    there.about(frame(AgentCompleted, seq=1, answer=answer))
    assert "covers" not in shown(there.err)


def test_what_an_answer_suggests() -> None:
    there = screen()
    advice = Recommendation(
        text="Use the smaller model", baseline=2, projected=1, saving=1, unit="$", basis="what_if", assumptions=[]
    )
    answer = Answer(
        text="x", insights=["cheap"], recommendations=[advice], action_items=["switch"], evidence=[EVIDENCE]
    )
    there.about(frame(AgentCompleted, seq=1, answer=answer))
    assert shown(there.err).splitlines() == [
        "insight: cheap",
        "recommendation: Use the smaller model (what_if)",
        "to do: switch",
        "a · planner · 0 tool calls · 1 query · 1.0 s",
    ]


def test_evidence_is_a_table() -> None:
    there = screen()
    there.evidence(Answer(text="x", evidence=[EVIDENCE]))
    text = shown(there.out)
    for part in (
        "SELECT month, cost FROM usage",
        "2026-01",
        "12.5",
        "–",
        "9 rows, 2 of them shown",
        "abcdef012345",
        "v7",
    ):
        assert part in text
    there.evidence(Answer(text="x"))
    there.evidence(None)
    assert shown(there.err).splitlines() == ["there is no evidence to show"] * 2


def test_the_plain_answer_is_the_markdown_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    there = screen()
    there.plain_answer(Answer(text="# 2 orders\n\n* one [link](http://x)\n* [bold]two[/bold]"))
    assert capsys.readouterr().out == "# 2 orders\n\n* one [link](http://x)\n* [bold]two[/bold]\n"
    there.plain_answer(Answer(text="ends\n"))
    assert capsys.readouterr().out == "ends\n"


FIGURES = [f"${n}0,123.45" for n in range(100, 108)]


def test_a_terminal_that_is_too_narrow_shortens_no_figure() -> None:
    there = screen(terminal=True, width=40)
    ruled = "|".join("--:" for _ in FIGURES)
    there.drawn_answer(Answer(text=f"|{'|'.join(FIGURES)}|\n|{ruled}|\n|{'|'.join(FIGURES)}|"))
    there.out.print(there._now())
    item = msgspec.structs.replace(EVIDENCE, columns=FIGURES, rows=[FIGURES], row_count=1)
    there.evidence(Answer(text="x", evidence=[item]))
    text = shown(there.out)
    assert "…" not in text
    assert sum(map(str.isdigit, text)) >= 4 * sum(map(str.isdigit, "".join(FIGURES)))


def test_where_there_is_no_terminal_nothing_is_cut_or_wrapped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", written := io.StringIO())
    there = Screen.open()
    text = f"|{'|'.join(FIGURES)}|\n|{'|'.join('-' for _ in FIGURES)}|\n\n{'many words ' * 20}end"
    there.drawn_answer(Answer(text=text))
    there.evidence(
        Answer(text="x", evidence=[msgspec.structs.replace(EVIDENCE, columns=FIGURES, rows=[FIGURES], query="q " * 90)])
    )
    lines = written.getvalue().splitlines()
    assert "\n".join(lines[:4]) == text
    assert lines[4] == "q " * 90
    assert sum(all(figure in line for figure in FIGURES) for line in lines[5:]) == 2


@pytest.mark.parametrize("terminal", [False, True])
def test_no_control_and_no_markup_of_a_server_takes_effect(terminal: bool, capsys: pytest.CaptureFixture[str]) -> None:
    there = screen(terminal=terminal, width=400)
    evil: Any = EVIL
    item = Evidence(
        id=evil,
        tool=evil,
        query=evil,
        parameters={},
        columns=[evil],
        rows=[[evil], [evil, evil]],
        row_count=2,
        sha256=evil,
        data_version=evil,
    )
    answer = Answer(
        answered=False,
        text=f"{EVIL} &#27;[31m &#x9b;31m &#155; [x](http://h/\x1b]8;;evil) ![i](y) `\x1b[1m`\n\n```sh\n{EVIL}\n```",
        missing=[evil],
        alternatives=[evil],
        insights=[evil],
        evidence=[item],
    )
    with there.busy():
        there.starting(frame(InitializationProgress, label=evil))
        there.err.print(there._now())
        there.ready()
        there.event(frame(AgentThinking, seq=1, text=evil))
        there.event(frame(ToolExecuting, seq=2, tool=evil, arguments={evil: evil}))
        there.event(frame(ToolCompleted, seq=3, tool=evil, summary=evil))
        there.event(frame(AgentDelta, seq=4, text=answer.text, offset=0))
        there.err.print(there._now())
        there.drawn_answer(answer)
        there.evidence(answer)
        there.about(frame(AgentCompleted, seq=5, answer=answer))
        there.fail(evil)
    there.plain_answer(answer)
    text = shown(there.out) + shown(there.err) + capsys.readouterr().out
    own = re.compile(r"\x1b\[(\d*(;\d+)*m|\d*A|2K|1A|\?25[lh])|\r")  # what rich itself draws with
    rest = own.sub("", text)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", rest), ascii(rest)
    assert "\x1b[2J" not in text
    assert "title\x07" not in text
    assert "]8;;" not in text.replace("http://h/]8;;evil", "").replace("http://h/%5D8;;evil", "")
    assert "[bold red]mark[/bold red]" in rest
