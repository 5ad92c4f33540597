"""A question as words, misspelt ones corrected. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

import attrs

from chatcore.agents.analyst.lexicon import KNOWN, MEANT, SLIPPED, WHAT_IF

SHORTEST_CORRECTED = 4
"""Shorter words are too like each other."""

LONGEST_CORRECTED = 24
"""Longer ones are no words."""

MOST_CORRECTED = 12
"""Words of a question that are taken for misspelt: each takes a millisecond to look for."""

CLOSE = 0.82
"""How alike a misspelt word must be, as difflib measures it: ``spnd`` is ``spend``, ``team`` is not ``term``."""

MOST_LETTERS = 2
"""How many letters a slip of the fingers adds or leaves out; the first one is seldom wrong."""

MOST_MOVED = 3
"""How many letters a slip leaves in other places: ``psend`` is ``spend``, ``kosten`` is not ``tokens``."""

_CORRECTABLE = sorted(word for word in MEANT | WHAT_IF | SLIPPED if len(word) >= SHORTEST_CORRECTED)
_BY_LETTERS = {"".join(sorted(word)): word for word in reversed(_CORRECTABLE)}
_WORD = re.compile(r"[A-Za-z0-9_$€£%][\w$./:@#+%'’-]*")


@attrs.frozen
class Word:
    """A word of a question.

    Args:
        text: in lower case, corrected where it was misspelt.
        start: where it begins in the question.
        end: where it ends.
        original: as it was written.
    """

    text: str
    start: int
    end: int
    original: str


def split_words(question: str, vocabulary: frozenset[str]) -> list[Word]:
    """The words of a question, those that are close to a known one corrected to it.

    Args:
        question: as written.
        vocabulary: words that are known besides those of the lexicon, in lower case.
    """
    matches = [(match.start(), match.group().rstrip(".:'’-/")) for match in _WORD.finditer(question)]
    plain = [original.lower().replace("’", "'").removesuffix("'s") for _, original in matches]
    meant = _corrections(plain, vocabulary)
    return [
        Word(meant.get(text, text), start, start + len(original), original)
        for text, (start, original) in zip(plain, matches, strict=True)
    ]


def _corrections(words: Sequence[str], vocabulary: frozenset[str]) -> Mapping[str, str]:
    """What the first few words that are not known are meant as: with more of them, it is another language."""
    strange = [word for word in dict.fromkeys(words) if word not in KNOWN and word not in vocabulary]
    return {word: correct(word, vocabulary) for word in strange[:MOST_CORRECTED]}


def correct(word: str, vocabulary: frozenset[str]) -> str:
    """The known word that a misspelt one is closest to; the word itself where it is known, short or like none."""
    spelt_right = word in KNOWN or word in WHAT_IF or word in vocabulary
    if spelt_right or len(word) < SHORTEST_CORRECTED or not word.isalpha():
        return word
    if f"{word}s" in vocabulary or word.removesuffix("s") in vocabulary:  # one of many is no slip
        return word
    return _closest(word, vocabulary) if len(word) <= LONGEST_CORRECTED else word


@lru_cache(maxsize=4096)
def _closest(word: str, vocabulary: frozenset[str]) -> str:
    swapped = _BY_LETTERS.get("".join(sorted(word)))
    if swapped is not None and sum(a != b for a, b in zip(word, swapped, strict=True)) <= MOST_MOVED:
        return swapped
    alike = [w for w in _by_first_letter(vocabulary).get(word[0], ()) if abs(len(w) - len(word)) <= MOST_LETTERS]
    return next(iter(difflib.get_close_matches(word, alike, n=1, cutoff=CLOSE)), word)


@lru_cache(maxsize=8)
def _by_first_letter(vocabulary: frozenset[str]) -> Mapping[str, Sequence[str]]:
    """The words that a misspelt one may be meant as, in a fixed order."""
    found: dict[str, list[str]] = {}
    for word in (*_CORRECTABLE, *sorted(vocabulary)):
        found.setdefault(word[:1], []).append(word)
    return found
