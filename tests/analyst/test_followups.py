"""What a follow-up makes of the question before it, and what never bends a question that stands by itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chatcore.agents.analyst.phrasing import phrase
from chatcore.agents.analyst.planner import leans_on_earlier, plan
from chatcore.agents.analyst.request import Intent, Refusal

from .conftest import ask, loaded
from .test_planner import ALL, QUESTIONS, REFUSALS

MAY = "What did we spend in May 2025?"
TOP = "top 5 models by spend in 2025"
BOTH = "Compare April and May 2025"
SIDES = "compare claude and gemini"

FOLLOWED: dict[tuple[str, ...], str | None] = {
    (MAY, "and by month?"): "Spend by month in 2025-05?",
    (MAY, "and by model"): "Spend by model in 2025-05?",
    (MAY, "by user"): "Spend by user_id in 2025-05?",
    (MAY, "what about o3?"): "What did we spend on o3 in 2025-05?",
    (MAY, "how about gemini"): "What did we spend on gemini/gemini-2.5-pro in 2025-05?",
    (MAY, "and in April?"): "What did we spend in 2025-04?",
    (MAY, "and in march"): "What did we spend in 2025-03?",  # of the same year, though 2026 has a March too
    (MAY, "March 2026?"): "What did we spend in 2026-03?",
    (MAY, "only for claude"): "What did we spend on claude in 2025-05?",
    (MAY, "and excluding o3"): "What did we spend excluding o3 in 2025-05?",
    (MAY, "the same for tokens"): "Tokens in 2025-05?",
    (MAY, "tokens?"): "Tokens in 2025-05?",
    (MAY, "how many calls was that?"): "How many calls were there in 2025-05?",
    (MAY, "and the month before?"): "What did we spend in 2025-04?",
    (MAY, "and the previous month?"): "What did we spend in 2025-04?",
    (MAY, "and the next month?"): "What did we spend in 2025-06?",
    (MAY, "compared to the month before?"): "Compare spend in 2025-04 and 2025-05?",
    (MAY, "vs April 2025"): "Compare spend in 2025-04 and 2025-05?",
    (MAY, "and which model cost the most?"): "Spend by model in 2025-05?",
    (MAY, "and how many models?"): "How many models are there in 2025-05?",
    (MAY, "and the most expensive calls?"): "Most expensive calls in 2025-05?",
    (MAY, "and in total?"): "What did we spend in total?",
    (TOP, "top 3 of those"): "Top 3 models by spend in 2025?",
    (TOP, "and the bottom 3?"): "Bottom 3 models by spend in 2025?",
    (TOP, "by tokens"): "Top 5 models by tokens in 2025?",
    (TOP, "and in 2024?"): "Top 5 models by spend in 2024?",
    (TOP, "and users?"): "Spend by user_id in 2025?",
    (TOP, "only claude"): "Top 5 models by spend for claude in 2025?",
    (TOP, "what about o3"): "What did we spend on o3 in 2025?",
    (TOP, "show it by week"): "Spend by week in 2025?",
    (BOTH, "and in calls?"): "Compare calls in 2025-04 and 2025-05?",
    (BOTH, "for claude"): "Compare spend in 2025-04 and 2025-05 for claude?",
    (SIDES, "and gpt-4o?"): "Compare spend of claude and gemini and gpt-4o?",
    (SIDES, "in 2025?"): "Compare spend of claude and gemini in 2025?",
    (MAY, "and in April?", "and by model"): "Spend by model in 2025-04?",
    (MAY, "what is love", "and by model?"): "Spend by model in 2025-05?",
    (MAY, "spend by team", "and o3?"): "What did we spend on o3 in 2025-05?",
    (MAY, TOP, "and by month?"): "Spend by month in 2025?",
    (TOP, "and who is using o3?", "what did it cost in May 2025?"): "What did we spend on o3 in 2025-05?",
    ("What did we spend on o3 in 2025?", "and who is using it?"): "Spend by user_id for o3 in 2025?",
}


@pytest.mark.parametrize("asked", FOLLOWED, ids=" / ".join)
def test_a_follow_up_goes_on_from_the_last_question(asked: tuple[str, ...]) -> None:
    *earlier, question = asked
    assert leans_on_earlier(question, ALL)
    found = plan(question, ALL, earlier)
    assert isinstance(found, Intent), found
    assert phrase(found, ALL) == FOLLOWED[asked]


REFUSED: dict[tuple[str, ...], tuple[str, tuple[str, ...]]] = {
    (MAY, "and gpt-99?"): ("no_rows", ("gpt-99",)),
    (MAY, "and by team?"): ("no_such_column", ("team",)),
    (MAY, "and in 2019?"): ("out_of_range", ("2019",)),
    (MAY, "top 3 of those"): ("not_supported", ("a list",)),
    ("What did we spend in total?", "and in march?"): ("ambiguous", ("year",)),
    ("top 3 of those",): ("not_supported", ("an earlier question",)),
    ("and?",): ("not_supported", ("an earlier question",)),
    ("how about that",): ("not_supported", ("an earlier question",)),
    ("spend by team", "top 3 of those"): ("not_supported", ("an earlier question",)),
}


@pytest.mark.parametrize("asked", REFUSED, ids=" / ".join)
def test_a_follow_up_that_cannot_be_followed_is_refused(asked: tuple[str, ...]) -> None:
    *earlier, question = asked
    refusal = plan(question, ALL, earlier)
    assert isinstance(refusal, Refusal), refusal
    assert (refusal.reason, refusal.missing) == REFUSED[asked]
    assert refusal.alternatives
    for alternative in refusal.alternatives:
        assert isinstance(plan(alternative, ALL), Intent), alternative


@pytest.mark.parametrize("before", ["Which model is costing us the most?", SIDES, "spend on o3 and gpt-4o"])
def test_it_after_several_names_is_asked_back(before: str) -> None:
    refusal = plan("and who is using it?", ALL, [before])
    assert isinstance(refusal, Refusal)
    assert (refusal.reason, refusal.missing) == ("ambiguous", ("what “it” stands for",))
    assert all(isinstance(plan(alternative, ALL), Intent) for alternative in refusal.alternatives)


def test_it_after_a_question_without_a_name_takes_nothing_away() -> None:
    assert plan("on how many days did we use it?", ALL, [MAY]) == plan("on how many days did we use it?", ALL)


def test_a_month_of_several_years_is_asked_back_as_the_whole_question() -> None:
    refusal = plan("and in march?", ALL, ["Spend by model"])
    assert isinstance(refusal, Refusal)
    assert refusal.alternatives == ("Spend by model in 2025-03?", "Spend by model in 2026-03?")


def test_without_anything_before_it_a_follow_up_is_taken_by_itself() -> None:
    for question, alone in (("and by month?", "Spend by month?"), ("what about o3?", "What did we spend on o3?")):
        found = plan(question, ALL)
        assert isinstance(found, Intent)
        assert phrase(found, ALL) == alone


@pytest.mark.parametrize("earlier", ["Is there anything suspicious in the bill?", MAY, TOP])
@pytest.mark.parametrize(
    "question",
    [
        "If we had used gpt-4o-mini instead of o3, how much would we have saved?",
        "How much would we have saved with gpt-4o-mini instead of o3?",
        "Instead of o3, what would gpt-4o-mini have cost?",
    ],
)
def test_what_stands_instead_of_something_points_back_at_nothing(question: str, earlier: str) -> None:
    assert plan(question, ALL, [earlier]) == plan(question, ALL)


WHOLE = sorted(question for question in (*QUESTIONS, *REFUSALS) if not leans_on_earlier(question, ALL))
ANY = sorted({*QUESTIONS, *REFUSALS, *(question for asked in FOLLOWED for question in asked)})


def test_nearly_every_question_stands_by_itself() -> None:
    assert len({*QUESTIONS, *REFUSALS}) - len(WHOLE) <= 3


@settings(deadline=None)
@given(st.sampled_from(WHOLE), st.lists(st.sampled_from(ANY) | st.text(max_size=20), max_size=4))
def test_a_whole_question_is_never_bent_by_what_was_asked_before(question: str, earlier: list[str]) -> None:
    assert plan(question, ALL, earlier) == plan(question, ALL)


@settings(deadline=None)
@given(st.lists(st.sampled_from(ANY) | st.text(max_size=20), min_size=1, max_size=4))
@example(["2024 vs 2025", "&²"])
def test_any_thread_ends_in_an_intent_or_a_refusal(asked: list[str]) -> None:
    *earlier, question = asked
    assert isinstance(plan(question, ALL, earlier), Intent | Refusal)


async def test_the_thread_is_read_for_a_follow_up_and_for_nothing_else(shared: Path) -> None:
    async with loaded(shared / "llm_usage.csv") as ledger:
        whole = await ask(ledger, "Spend by model", [MAY])
        assert "history" not in [kind for kind, _ in whole.run.events]
        followed = await ask(ledger, "and by model?", [MAY])
        assert ("history", 1) in followed.run.events
        said = [detail for kind, detail in followed.run.events if kind == "thinking"]
        assert said[1].startswith("Going on from the question before: ")
        assert "by model for 2025-05" in said[1]
        assert followed.answer.evidence == (await ask(ledger, "Spend by model in May 2025")).answer.evidence


@pytest.mark.parametrize(
    ("before", "question", "kind"),
    [
        ("What would batching save?", "and caching?", "cache_ceiling"),
        ("What would batching save in 2025?", "what about caching", "cache_ceiling"),
        ("What would caching save at most on o3?", "and batching", "batch"),
        ("how much would batching save", "and capping prompts at 8000 tokens?", "cap"),
        ("how much would batching save", "off-peak?", "off_peak"),
        ("what if we had used gpt-4o for everything", "and with o3-mini instead?", "swap"),
        ("what if we had used gpt-4o instead of o3", "and with o3-mini instead?", "swap"),
    ],
)
async def test_another_way_to_save_is_of_the_same_calls(shared: Path, before: str, question: str, kind: str) -> None:
    async with loaded(shared) as ledger:
        first, found = (plan(each, ledger.catalogue, earlier) for each, earlier in ((before, []), (question, [before])))
        assert isinstance(first, Intent)
        assert isinstance(found, Intent), found
        assert (found.kind, found.bare.periods, found.bare.filters) == (kind, first.bare.periods, first.bare.filters)
        if kind == "swap":
            assert found.options["to"] != first.options["to"]
