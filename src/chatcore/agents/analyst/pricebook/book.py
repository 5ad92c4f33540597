"""The rows of a price table as far as names go by them: which row covers what a model was called. Pure.

Amounts stay in the table, where queries read them; what is decided here is only which rows a name leads to.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from functools import cached_property
from types import MappingProxyType

import attrs
import msgspec

from chatcore.agents.analyst.columns import flat
from chatcore.agents.analyst.pricebook.columns import PriceColumns
from chatcore.agents.analyst.pricebook.rules import LONGEST_NAME, Rule, equals_of, parse

MOST_KEPT = 10_000
"""Names whose sellers are kept: those of the usage, looked up while it is loaded, and some that questions have."""


class PriceKey(msgspec.Struct, frozen=True):
    """What a price is found by: who sells which model; ``provider`` is None where the table names nobody."""

    provider: str | None
    model: str

    def __str__(self) -> str:
        return f"{self.provider}/{self.model}" if self.provider else self.model


@attrs.frozen(kw_only=True)
class PriceRow:
    """A model in a price table, whatever conditions its prices have.

    Args:
        key: what it is found by.
        title: its name for people, empty where there is none.
        rules: which names it covers, as JSON; None where only its id.
        priced: whether it has a rate for input.
        tiered: whether a longer prompt costs more.
        conditions: how many rows it has: more than one where the price depends on the date or the time of the day.
    """

    key: PriceKey
    title: str = ""
    rules: str | None = None
    priced: bool = True
    tiered: bool = False
    conditions: int = 1

    @cached_property
    def names(self) -> frozenset[str]:
        """What it is called, exactly, in lower case."""
        return equals_of(self.rules) | {self.key.model.lower()}

    @cached_property
    def words(self) -> frozenset[str]:
        """The words that its id and its name are made of."""
        return frozenset(flat(f"{self.key.model} {self.title}").split())

    @property
    def is_makers(self) -> bool:
        """Whether it is sold by who makes it."""
        return self.key.provider is not None and self.key.provider == maker_of(self.key.model)

    @cached_property
    def rule(self) -> Rule | None:
        """Which names it covers besides."""
        return parse(self.rules)


@attrs.frozen(kw_only=True)
class PriceBook:
    """A table of list prices and the models it has.

    Args:
        columns: which column is which.
        rows: in the file's order: of two rows of one seller that cover a name, the first counts.
        tiers: the table that has the tiers of tiered models; None where none has.
    """

    columns: PriceColumns
    rows: tuple[PriceRow, ...]
    tiers: str | None = None
    _found: dict[str, tuple[PriceRow, ...]] = attrs.field(factory=dict, eq=False, repr=False)

    def row(self, key: PriceKey) -> PriceRow | None:
        """The model of this key."""
        return self._by_key.get(key)

    @cached_property
    def _by_key(self) -> Mapping[PriceKey, PriceRow]:
        return {row.key: row for row in self.rows}

    @cached_property
    def providers(self) -> Mapping[str, str]:
        """Who sells, by the spelling without signs that names are compared by."""
        return {_plain(row.key.provider): row.key.provider for row in self.rows if row.key.provider}

    @cached_property
    def words(self) -> frozenset[str]:
        """The words that the names of the models are made of."""
        return frozenset().union(*(row.words for row in self.rows))

    @property
    def names(self) -> Collection[str]:
        """What the models are called exactly, in lower case."""
        return self._by_name.keys()

    @cached_property
    def _by_name(self) -> Mapping[str, tuple[PriceRow, ...]]:
        found: dict[str, list[PriceRow]] = {}
        for row in self.rows:
            for name in row.names:
                found.setdefault(name, []).append(row)
        return {name: tuple(rows) for name, rows in found.items()}

    @cached_property
    def _by_rule(self) -> tuple[tuple[PriceRow, Rule], ...]:
        return tuple((row, row.rule) for row in self.rows if row.rule is not None and not _is_exact(row))

    def match(self, name: str) -> PriceRow | None:
        """The model that a name in a usage table means, as its maker sells it where nobody else is named.

        ``openai/gpt-4o`` is sold by OpenAI; a name whose seller is not in the table has no price there.
        """
        rows = self.sellers(name)
        return rows[0] if rows else None

    def sellers(self, name: str) -> tuple[PriceRow, ...]:
        """Every seller's model that a name covers, its maker's first, then by the seller's name."""
        found = self._found.get(name)
        if found is None:
            found = self._search(name.strip().lower())
            if len(self._found) < MOST_KEPT:
                self._found[name] = found
        return found

    def matches(self, names: Iterable[str]) -> dict[str, PriceKey]:
        """What each name is found by; names without a price are left out."""
        found = {name: self.match(name) for name in names}
        return {name: row.key for name, row in found.items() if row is not None}

    def _search(self, name: str) -> tuple[PriceRow, ...]:
        if not name or len(name) > LONGEST_NAME or _HIDDEN.search(name):
            return ()
        seller, rest = self._seller(name)
        if seller is None:
            covering = self._covering(name)
            return self._ordered(name, covering if not rest else [row for row in covering if not row.key.provider])
        sold = [row for each in (rest, name) for row in self._covering(each) if row.key.provider == seller]
        return tuple(sold[:1])

    def seller(self, word: str) -> str | None:
        """The seller that a word names, if it is in the table."""
        return self.providers.get(_plain(_CALLED.get(word, word)))

    def _seller(self, name: str) -> tuple[str | None, str]:
        """The seller that a name begins with and what it sells; (None, rest) where it sells nothing here."""
        head, slash, rest = name.partition("/")
        if not slash:
            return None, ""
        return self.seller(head), rest

    def _covering(self, name: str) -> list[PriceRow]:
        """The rows that cover a name: those called so before those whose rules take it in."""
        exact = [row for row in self._by_name.get(name, ()) if row.priced]
        ruled = [row for row, rule in self._by_rule if row.priced and row not in exact and rule(name)]
        return exact + ruled

    def _ordered(self, name: str, rows: Iterable[PriceRow]) -> tuple[PriceRow, ...]:
        first: dict[str | None, PriceRow] = {}
        for row in rows:
            first.setdefault(row.key.provider, row)
        maker = maker_of(name)
        return tuple(sorted(first.values(), key=lambda row: (row.key.provider != maker, row.key.provider or "")))


def _is_exact(row: PriceRow) -> bool:
    """Whether a row's rules say nothing but what it is called."""
    return bool(re.fullmatch(r'\{"equals": ?"[^"]*"\}|\{"or": ?\[(\{"equals": ?"[^"]*"\},? ?)*\]\}', row.rules or ""))


_HIDDEN = re.compile(r"(^|/)(redacted|none|null|unknown|n/a)$")
"""Names that name no model."""

_CALLED: Mapping[str, str] = MappingProxyType(
    {
        "gemini": "google",
        "vertex_ai": "google",
        "vertex": "google",
        "amazon": "aws",
        "microsoft": "azure",
        "bedrock": "aws",
        "bedrock_converse": "aws",
        "fireworks_ai": "fireworks",
        "together_ai": "together",
        "cohere_chat": "cohere",
        "moonshot": "moonshotai",
        "zai": "zhipuai",
        "mistralai": "mistral",
    }
)
"""What clients call a seller, by what price lists call it."""

MAKERS: Mapping[str, re.Pattern[str]] = MappingProxyType(
    {
        maker: re.compile(begins)
        for maker, begins in {
            "anthropic": r"claude",
            "openai": r"gpt|o\d\b|chatgpt|codex|davinci|babbage|text-embedding|computer-use",
            "google": r"gemini|gemma|palm",
            "deepseek": r"deepseek",
            "x-ai": r"grok",
            "mistral": r"mistral|ministral|mixtral|codestral|devstral|magistral|pixtral",
            "cohere": r"command|c4ai|embed-",
            "moonshotai": r"kimi|moonshot",
            "zhipuai": r"glm",
            "minimax": r"minimax",
            "perplexity": r"sonar",
            "voyageai": r"voyage",
        }.items()
    }
)
"""Who makes a model, by how its name begins: the maker's price is meant where a name tells no seller."""


def maker_of(name: str) -> str | None:
    """Who makes a model of this name, as far as its beginning tells."""
    return next((maker for maker, begins in MAKERS.items() if begins.match(name.lower())), None)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
