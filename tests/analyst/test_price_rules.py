"""Which names a rule of a price list covers, and that no rule costs much or fails."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcore.agents.analyst.pricebook.rules import DEEPEST, LONGEST_PATTERN, parse

COVERED = [
    ({"equals": "o3"}, "o3", True),
    ({"equals": "o3"}, "o3-mini", False),
    ({"equals": "O3"}, "o3", True),
    ({"starts_with": "claude-3-5"}, "claude-3-5-sonnet", True),
    ({"starts_with": "claude-3-5"}, "us.claude-3-5", False),
    ({"ends_with": "flash"}, "gemini-flash", True),
    ({"ends_with": "flash"}, "gemini-flash-lite", False),
    ({"contains": "sonnet"}, "claude-sonnet-4", True),
    ({"contains": "sonnet"}, "claude-opus-4", False),
    ({"regex": r"^grok-4\.3-\d{8}$"}, "grok-4.3-20260101", True),
    ({"regex": r"^grok-4\.3-\d{8}$"}, "grok-4.3-2026", False),
    ({"regex": r"^gemini-3\.5-flash-\d"}, "gemini-3.5-flash-001", True),
    ({"or": [{"equals": "a"}, {"equals": "b"}]}, "b", True),
    ({"and": [{"starts_with": "a"}, {"ends_with": "z"}]}, "a-z", True),
    ({"and": [{"starts_with": "a"}, {"ends_with": "z"}]}, "a-y", False),
    ({"or": [{"and": [{"starts_with": "a"}, {"contains": "b"}]}, {"equals": "c"}]}, "a-b", True),
    ({"or": [{"unheard_of": "a"}, {"equals": "b"}]}, "b", True),
]


@pytest.mark.parametrize(("rule", "name", "expected"), COVERED)
def test_a_rule_covers_the_names_it_says(rule: dict[str, object], name: str, expected: bool) -> None:
    judge = parse(json.dumps(rule))
    assert judge is not None
    assert judge(name) is expected


def nested(depth: int) -> dict[str, object]:
    rule: dict[str, object] = {"equals": "a"}
    for _ in range(depth):
        rule = {"or": [rule]}
    return rule


UNKNOWN = [
    None, "", "no json", "[]", "3", "{}", '{"equals": 3}', '{"equals": "a", "contains": "b"}', '{"unheard_of": "a"}',
    '{"or": []}', '{"or": "a"}', '{"and": [{"equals": "a"}, {"unheard_of": "b"}]}', json.dumps(nested(DEEPEST)),
    "[" * 100_000, '{"regex": "("}', json.dumps({"regex": "a" * (LONGEST_PATTERN + 1)}),
]  # fmt: skip


@pytest.mark.parametrize("rule", UNKNOWN)
def test_a_rule_that_is_none_covers_nothing(rule: str | None) -> None:
    assert parse(rule) is None


SLOW = [
    r"(a+)+$",
    r"(a|a)*$",
    r"^(.*a){20}$",
    r"a*a*a*a*a*b",
    r"(a?){99}a{99}",
    r"\w+\w+\w+\w+!",
    r"(\w*)*\1",
    r"(?=a)+",
]


@pytest.mark.parametrize("pattern", SLOW)
def test_a_pattern_that_could_take_for_ever_is_not_judged(pattern: str) -> None:
    assert parse(json.dumps({"regex": pattern})) is None


@given(st.text(st.sampled_from("ab.*+?{}()[]|^$\\d1,2"), max_size=30))
def test_a_pattern_that_is_judged_takes_little_time(pattern: str) -> None:
    judge = parse(json.dumps({"regex": pattern}))
    if judge is not None:
        begun = time.process_time()
        judge("a" * 200)
        assert time.process_time() - begun < 2
