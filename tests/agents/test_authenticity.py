"""Placeholder content and unproven numbers cannot leave, however they are split; honest words can (46, 45)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import pairwise

import msgspec
import pytest
from authenticity_corpus import ASKED, DISGUISED, HONEST
from hypothesis import given
from hypothesis import strategies as st

from chatcore.agents.authenticity import Alarm, AnswerGuard
from chatcore.agents.numbers import Proof
from chatcore.agents.placeholders import PLACEHOLDERS, plain
from chatcore.protocol.messages import Answer, Evidence, Recommendation


def splits(text: str, cuts: Sequence[int]) -> list[str]:
    """``text`` in parts, cut at these places."""
    places = [0, *sorted(cut % (len(text) + 1) for cut in cuts), len(text)]
    return [text[begin:end] for begin, end in pairwise(places)]


def speak(guard: AnswerGuard, parts: Sequence[str]) -> tuple[str, Alarm | None]:
    """What leaves when an agent says these parts, and the alarm that ends it."""
    sent = ""
    for passed in [*map(guard.feed, parts), guard.finish()]:
        if isinstance(passed, Alarm):
            return sent, passed
        sent += passed
    return sent, None


CUTS = st.lists(st.integers(0, 10_000), max_size=40)
AROUND = st.sampled_from(["", "Well. ", "Sure! ", "- ", "**", "(", "a ", "Agent ", "…", "said: "])
VARIATIONS = st.sampled_from(
    [str, str.upper, str.lower, lambda words: words.replace(" ", "  \n "), lambda words: words.replace(" ", "\u00a0")]
)


@given(
    words=st.sampled_from(PLACEHOLDERS),
    before=AROUND,
    vary=VARIATIONS,
    cuts=CUTS,
    after=st.sampled_from(["", " x", "\n", "."]),
)
def test_placeholder_content_never_leaves_however_it_is_split(
    words: str, before: str, vary: object, cuts: list[int], after: str
) -> None:
    assert callable(vary)
    said = before + vary(words) + after
    sent, alarm = speak(AnswerGuard("How much?", None), splits(said, cuts))

    assert alarm is not None
    assert alarm.rule == "placeholder"
    assert sent == said[: len(sent)]
    assert len(sent) <= len(before), "not even its beginning has left"


@pytest.mark.parametrize("after", ["your question", "5", "…", ""])
def test_words_that_a_colon_ends_are_found_whatever_follows(after: str) -> None:
    _, alarm = speak(AnswerGuard("How much?", None), [f"Agent processed your message:{after}"])
    assert alarm is not None


def test_a_long_run_of_spaces_hides_nothing() -> None:
    parts = ["Agent", " " * 200, "processed", "\n" * 200, "your ", "message", ": hello"]
    sent, alarm = speak(AnswerGuard("How much?", None), parts)
    assert alarm is not None
    assert sent == ""


@pytest.mark.parametrize("disguise", DISGUISED)
def test_no_disguise_leaves_wherever_it_is_split(disguise: str) -> None:
    """At every place, and character by character; of what the disguise is of nothing has left then."""
    text = DISGUISED[disguise]
    for at in range(len(text) + 1):
        sent, alarm = speak(AnswerGuard("How much?", None), [text[:at], text[at:]])
        assert alarm is not None, (at, sent)
        assert not reads_as_placeholder(sent)
    sent, alarm = speak(AnswerGuard("How much?", None), list(text))
    assert alarm is not None
    assert not reads_as_placeholder(sent)


def reads_as_placeholder(sent: str) -> bool:
    """Whether anything of a placeholder with a second word, or the whole of one without, has been sent."""
    read = plain(sent).text
    return any(words.lower()[: max(words.find(" ") + 2, 9)] in read for words in PLACEHOLDERS)


@pytest.mark.parametrize("disguise", DISGUISED)
def test_no_disguise_leaves_beside_the_text(disguise: str) -> None:
    text = DISGUISED[disguise]
    guard = AnswerGuard("How much?", None)
    proposed = proposal(text=text)
    for beside in (
        Answer(text="ok", insights=[text]),
        Answer(text="ok", action_items=["Look", text]),
        Answer(text="ok", recommendations=[proposed]),
        Answer(text="ok", recommendations=[proposal(assumptions=[text])]),
        Answer(answered=False, text="ok", alternatives=[text], missing=[]),
        Answer(answered=False, text="ok", missing=[text]),
    ):
        assert guard.judge_answer(beside) is not None


@pytest.mark.parametrize("case", HONEST)
def test_honest_words_leave_wherever_they_are_split(case: str) -> None:
    question, text = HONEST[case]
    for at in range(len(text) + 1):
        assert speak(AnswerGuard(question, None), [text[:at], text[at:]]) == (text, None), at
    assert speak(AnswerGuard(question, None), list(text)) == (text, None)
    assert AnswerGuard(question, None).judge_answer(Answer(text="ok", insights=[text])) is None


def test_the_corpus_is_large_enough() -> None:
    assert min(len(DISGUISED), len(HONEST)) >= 60


@given(story=st.sampled_from(sorted(HONEST.values())), cuts=CUTS)
def test_honest_words_leave_as_they_are_however_they_are_split(story: tuple[str, str], cuts: list[int]) -> None:
    question, text = story
    sent, alarm = speak(AnswerGuard(question, None), splits(text, cuts))
    assert alarm is None
    assert sent == text


@given(
    texts=st.lists(st.sampled_from([*DISGUISED.values(), *(text for _, text in HONEST.values())]), max_size=3),
    cuts=CUTS,
)
def test_the_verdict_is_the_same_however_it_is_split(texts: list[str], cuts: list[int]) -> None:
    """The fast ways through the guard against one judgement of the whole."""
    text = " ".join(texts)
    sent, alarm = speak(AnswerGuard(ASKED, None), splits(text, cuts))
    assert (alarm is None) == (AnswerGuard(ASKED, None).judge(text) is None)
    assert sent == (text if alarm is None else text[: len(sent)])


DRESSED = 'agntchproesumdi AP:\n_*`>"&#;x65<b/>[]()\\\u200b\u00a0.1'


@given(text=st.text(alphabet=DRESSED, max_size=60), cuts=CUTS, proves=st.booleans())
def test_no_dress_changes_a_verdict_by_how_it_is_split(text: str, cuts: list[int], proves: bool) -> None:
    evidence = (lambda: [PROOF]) if proves else None
    sent, alarm = speak(AnswerGuard("", evidence), splits(text, cuts))
    assert (alarm is None) == (AnswerGuard("", evidence).judge(text) is None)
    assert sent == (text if alarm is None else text[: len(sent)])


DISHONEST = [
    ("What does ChatAgent do?", 'It says "ChatAgent: Agent processed your message: hi".'),
    ("What is it?", 'It is "degraded functionality".'),
    ("What is degraded functionality?", "We are in degraded functionality."),
    ("What is it?", 'An open quotation "ChatAgent that never ends'),
    ("What is it?", "> ChatAgent"),
    ("What is it?", "`one` ChatAgent `two`"),
    ("What is it?", "```\ncode\n``` ChatAgent"),
]


@given(story=st.sampled_from(DISHONEST), cuts=CUTS)
def test_quotation_marks_do_not_make_placeholder_content_honest(story: tuple[str, str], cuts: list[int]) -> None:
    question, text = story
    _, alarm = speak(AnswerGuard(question, None), splits(text, cuts))
    assert alarm is not None


@given(text=st.text(alphabet='agent chAT\n`">:.1', max_size=80), cuts=CUTS)
def test_what_leaves_in_parts_is_judged_as_the_whole_is(text: str, cuts: list[int]) -> None:
    """The splits change neither the verdict nor the text."""
    sent, alarm = speak(AnswerGuard("", None), splits(text, cuts))
    whole = AnswerGuard("", None).judge(text)
    assert (alarm is None) == (whole is None)
    if alarm is None:
        assert sent == text


def test_words_stream_as_they_come_where_nothing_is_in_doubt() -> None:
    guard = AnswerGuard("How much?", None)
    assert [guard.feed(part) for part in ("You spent ", "12 dollars", " on ", "models")] == [
        "You spent ",
        "12 dollars",
        " on ",
        "models",
    ]


# --- agents that prove their numbers --------------------------------------------------------------------------------

PROOF = Evidence(
    id="e1",
    tool="query",
    query="SELECT …",
    parameters={},
    columns=["model", "cost", "calls"],
    rows=[["gpt-4o", 1_200_000.4, 15], ["o1-mini", 74.333, 31], ["both", 1_200_074.733, 46]],
    row_count=2,
    sha256="0",
    data_version="1",
)
PROVEN = [
    "It cost 1.2 million dollars. That is $1,200,000.40 in 15 calls.",
    "On 15 March 2026 it cost $74.33, and on March 31, 2026 nothing.",
    "| model | cost |\n|---|---|\n| gpt-4o | $1,200,000.40 |\n| o1-mini | $74.33 |\n",
    "1. gpt-4o: 15 calls\n2. o1-mini: 31 calls\n",
    "There were 31 calls",
]


@given(text=st.sampled_from(PROVEN), cuts=CUTS)
def test_proven_numbers_leave_however_they_are_split(text: str, cuts: list[int]) -> None:
    """A number is judged with the words around it: ``1.2`` alone would not be in the evidence, nor ``15`` a date."""
    sent, alarm = speak(AnswerGuard("How much?", lambda: [PROOF]), splits(text, cuts))
    assert alarm is None
    assert sent == text


UNPROVEN = ["It cost $1,300. Really.", "There were 16 calls.", "About 99% of it.", "75.33", "It cost 1.3 million"]


@given(text=st.sampled_from(UNPROVEN), cuts=CUTS)
def test_a_number_that_is_in_no_evidence_does_not_leave(text: str, cuts: list[int]) -> None:
    sent, alarm = speak(AnswerGuard("How much?", lambda: [PROOF]), splits(text, cuts))
    assert alarm is not None
    assert alarm.rule == "number"
    assert not any(character.isdigit() for character in sent)


def test_evidence_counts_from_when_it_is_there() -> None:
    evidence: list[Evidence] = []
    guard = AnswerGuard("How much?", lambda: evidence)
    assert guard.feed("Let me see.\n") == "Let me see.\n"
    evidence.append(PROOF)
    assert guard.feed("It was 31 calls.\n") == "It was 31 calls.\n"
    evidence.clear()
    assert isinstance(guard.feed("Again: 31 calls.\n"), Alarm)


def test_sentences_leave_when_they_are_complete() -> None:
    guard = AnswerGuard("How much?", lambda: [PROOF])
    assert guard.feed("There were 31 ") == ""
    assert guard.feed("calls. It") == "There were 31 calls. "
    assert guard.finish() == "It"


def proposal(**fields: object) -> Recommendation:
    given = {"baseline": 46.0, "projected": 31.0, "saving": 15.0, "text": "Use o1-mini", "assumptions": []} | fields
    return Recommendation(**({"unit": "calls", "basis": "measured"} | given))  # type: ignore[arg-type]  # by name


@pytest.mark.parametrize(
    ("answer", "authentic"),
    [
        (Answer(text="31 calls", insights=["15 of them"], recommendations=[proposal()]), True),
        (Answer(text="32 calls"), False),
        (Answer(text="ok", insights=["32 calls"]), False),
        (Answer(text="ok", action_items=["Look at the 32 calls"]), False),
        (Answer(text="ok", recommendations=[proposal(text="Save 99 dollars")]), False),
        (Answer(text="ok", recommendations=[proposal(unit="USD")]), False),
        (Answer(text="ok", recommendations=[proposal(unit="USD of 99")]), False),
        (Answer(text="ok", recommendations=[proposal(assumptions=["99% cached"])]), False),
        (Answer(text="ok", recommendations=[proposal(saving=99.5)]), False),
        (Answer(text="ok", recommendations=[proposal(saving=31.0)]), False),  # each traces; they do not add up
        (Answer(text="ok", recommendations=[proposal(baseline=74.333)]), False),
        (Answer(text="ok", insights=["ChatAgent says hello"]), False),
    ],
)
def test_what_stands_beside_the_text_is_judged_too(answer: Answer, authentic: bool) -> None:
    shown = msgspec.structs.replace(answer, evidence=[PROOF])
    assert (AnswerGuard("How much?", lambda: [PROOF]).judge_answer(shown) is None) is authentic


def test_a_number_must_trace_to_evidence_that_is_shown_and_was_found() -> None:
    answer = Answer(text="31 calls")
    assert AnswerGuard("How much?", lambda: [PROOF]).judge_answer(answer) is not None
    invented = msgspec.structs.replace(answer, evidence=[PROOF])
    assert AnswerGuard("How much?", list).judge_answer(invented) is not None


def test_an_agent_that_proves_nothing_may_say_numbers() -> None:
    assert AnswerGuard("How much?", None).judge_answer(Answer(text="32 calls")) is None


@pytest.mark.parametrize("text", ["Processıng your message:", "PROCESSİNG YOUR MESSAGE:", "degraded functıonalıty"])
def test_letters_that_are_equal_where_case_is_ignored_hide_nothing(text: str) -> None:
    guard = AnswerGuard("", None)
    assert isinstance(guard.feed(f"Well. {text} it is."), Alarm)
    assert guard.judge(text) is not None


@pytest.mark.parametrize("piece", ["<!--", "<!-- --", "*", "`", "[", "](", "\u200b", "1,", "&", "12 - "])
def test_long_texts_are_judged_in_time_that_grows_as_they_do(piece: str) -> None:
    """An unclosed comment was looked for from each place where one may begin: minutes, in which nobody was served."""
    text = piece * (50_000 // len(piece))
    began = time.process_time()
    guard = AnswerGuard(text, list)
    guard.judge(text + "Agent processed your messag")
    guard.feed(text + "Agent processed your messag")
    guard.finish()
    assert time.process_time() - began < 30


def test_a_comment_hides_what_is_in_it_and_one_that_is_not_closed_nothing() -> None:
    for text in ("Agent <!-- <!-- x -->processed your message: x", "<!-- x --> <!-- Agent processed your message: x"):
        assert AnswerGuard("", None).judge(text) is not None


def test_a_long_table_is_not_read_again_with_each_of_its_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [[f"model-{n}", n * 1001] for n in range(1, 101)]
    guard = AnswerGuard("", lambda: [msgspec.structs.replace(PROOF, columns=["model", "calls"], rows=rows)])
    judged: list[int] = []
    judge = Proof.untraceable_numbers

    def judge_and_count(proof: Proof, text: str) -> tuple[str, ...]:
        judged.append(len(text))
        return judge(proof, text)

    monkeypatch.setattr(Proof, "untraceable_numbers", judge_and_count)
    said = [guard.feed(f"| {name} | {calls:,} |\n") for name, calls in rows]
    assert not any(isinstance(part, Alarm) for part in said)
    assert len(judged) >= 100
    assert max(judged) < 200
