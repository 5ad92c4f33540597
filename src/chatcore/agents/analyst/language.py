"""A question as words, misspelt ones corrected. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection

import attrs

from chatcore.agents.analyst.lexicon import KNOWN, MEANT, WHAT_IF

SHORTEST_CORRECTED = 4
"""Shorter words are too like each other."""

CLOSE = 0.82
"""How alike a misspelt word must be, as difflib measures it: ``spnd`` is ``spend``, ``team`` is not ``term``."""

MOST_LETTERS = 2
"""How many letters a slip of the fingers adds or leaves out; the first one is seldom wrong."""

_CORRECTABLE = sorted(word for word in MEANT | WHAT_IF if len(word) >= SHORTEST_CORRECTED)
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


def split_words(question: str, vocabulary: Collection[str]) -> list[Word]:
    """The words of a question, those that are close to a known one corrected to it.

    Args:
        question: as written.
        vocabulary: words that are known besides those of the lexicon, in lower case.
    """
    return [_word(match, vocabulary) for match in _WORD.finditer(question)]


def _word(match: re.Match[str], vocabulary: Collection[str]) -> Word:
    original = match.group().rstrip(".:'’-/")
    text = original.lower().replace("’", "'").removesuffix("'s")
    return Word(correct(text, vocabulary), match.start(), match.start() + len(original), original)


def correct(word: str, vocabulary: Collection[str]) -> str:
    """The known word that a misspelt one is closest to; the word itself where it is known, short or like none."""
    if word in KNOWN | WHAT_IF or word in vocabulary or len(word) < SHORTEST_CORRECTED or not word.isalpha():
        return word
    swapped = [known for known in _CORRECTABLE if sorted(known) == sorted(word)]
    alike = [w for w in (*_CORRECTABLE, *vocabulary) if w[:1] == word[:1] and abs(len(w) - len(word)) <= MOST_LETTERS]
    close = difflib.get_close_matches(word, alike, n=1, cutoff=CLOSE)
    return next(iter([*swapped, *close]), word)
