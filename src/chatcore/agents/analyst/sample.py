"""The sample: a usage ledger generated from a seed, so that there is something to ask about before data is attached.

Nothing in it is real, and every answer over it says so. The same seed gives the same bytes.
"""

from __future__ import annotations

import csv
import datetime as dt
import random
from collections.abc import Iterator
from pathlib import Path

SEED = 20260101
FIRST_DAY = dt.date(2025, 1, 1)
DAYS = 365

_HEADER = ("ts_utc", "user", "team", "feature", "model", "prompt_tokens", "completion_tokens", "cost_usd")
_MODELS = (("sample-small", 0.15, 0.6, 6), ("sample-medium", 1.0, 4.0, 3), ("sample-large", 5.0, 20.0, 1))
"""Name, dollars per million tokens in and out, and how often it is chosen."""

_FEATURES = (("chat", 900, 250, 6), ("summary", 6_000, 400, 2), ("search", 300, 60, 4), ("code", 3_000, 900, 3))
"""Name, usual tokens in and out, and how often it is used."""

_TEAMS = {"support": 6, "engineering": 9, "marketing": 3}


def write_sample(path: Path) -> None:
    """Write the sample as CSV."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(_HEADER)
        writer.writerows(sample_rows(random.Random(SEED)))  # noqa: S311  a seed is wanted, not a secret


def sample_rows(chance: random.Random) -> Iterator[tuple[str | int, ...]]:
    """The rows, in the order of time."""
    users = [(f"{team}-{number:02}", team) for team, size in _TEAMS.items() for number in range(1, size + 1)]
    for offset in range(DAYS):
        day = FIRST_DAY + dt.timedelta(days=offset)
        busy = (40 + offset // 8) if day.weekday() < 5 else 8
        seconds = sorted(chance.randrange(7 * 3600, 20 * 3600) for _ in range(chance.randint(busy // 2, busy)))
        for second in seconds:
            yield _row(chance, dt.datetime.combine(day, dt.time()) + dt.timedelta(seconds=second), users)


def _row(chance: random.Random, at: dt.datetime, users: list[tuple[str, str]]) -> tuple[str | int, ...]:
    user, team = chance.choice(users)
    feature, tokens_in, tokens_out, _ = chance.choices(_FEATURES, [weight for *_, weight in _FEATURES])[0]
    model, price_in, price_out, _ = chance.choices(_MODELS, [weight for *_, weight in _MODELS])[0]
    read = max(1, round(tokens_in * chance.lognormvariate(0, 0.5)))
    written = max(1, round(tokens_out * chance.lognormvariate(0, 0.5)))
    cost = (read * price_in + written * price_out) / 1e6
    return (f"{at:%Y-%m-%d %H:%M:%S}", user, team, feature, model, read, written, f"{cost:.8f}")
