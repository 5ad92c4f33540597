"""Follow-ups: what they mean is in the question before."""

from __future__ import annotations

from .facts import clean, grouped, largest, spend
from .question import Golden

_MAY = ("What did we spend in May 2025?",)
_MODELS = ("Spend by model in 2025",)
_YEAR = ("spend in 2025",)
_MARCH = ("What did we spend in March 2025?",)

THREADS = (
    Golden(
        kind="follow-up",
        after=_MAY,
        asked="and in April?",
        also=("what about april", "And the month before?", "same for april pls"),
        numbers=lambda f: [spend(f.where(month="2025-04"))],
    ),
    Golden(
        kind="follow-up",
        after=_MAY,
        asked="and by model?",
        also=("by model please", "split it by model", "which model?", "per modle"),
        numbers=lambda f: [a for _, a in largest(clean(f.where(month="2025-05")), lambda c: c.model, 3)],
    ),
    Golden(
        kind="follow-up",
        after=_MAY,
        asked="what about o3?",
        also=("only o3", "and o3", "how about for o3?"),
        numbers=lambda f: [spend(f.where(month="2025-05", model="o3"))],
    ),
    Golden(
        kind="follow-up",
        after=_MAY,
        asked="the same for tokens",
        also=("and tokens?", "in tokens?", "how many tokens was that?"),
        numbers=lambda f: [sum(c.tokens for c in f.where(month="2025-05"))],
    ),
    Golden(
        kind="follow-up",
        after=_MODELS,
        asked="and by month?",
        also=("by month", "show that by month", "monthly?"),
        numbers=lambda f: [spend(g) for g in grouped(clean(f.where(year="2025")), lambda c: c.month).values()],
    ),
    Golden(
        kind="follow-up",
        after=_MODELS,
        asked="top 3 of those",
        also=("only the top 3", "just the top three please"),
        numbers=lambda f: [a for _, a in largest(f.where(year="2025"), lambda c: c.model, 3)],
    ),
    Golden(
        kind="follow-up",
        after=_MAY,
        asked="why?",
        also=("but why is that?", "how come?"),
        numbers=lambda f: [
            spend(clean(f.where(month="2025-05"))) - spend(f.where(month="2025-04")),
        ],
    ),
    Golden(
        kind="follow-up",
        after=("How much would batching have saved on anthropic/claude-3-7-sonnet-20250219?",),
        asked="and on claude-3-5-sonnet-20241022?",
        also=("what about claude-3-5-sonnet-20241022",),
        numbers=lambda f: [
            sum(c.sent * 3 + c.received * 15 for c in f.where(model="claude-3-5-sonnet-20241022") if c.cost) / 2_000_000
        ],
    ),
    Golden(
        kind="follow-up",
        after=(*_MAY, "and in April?"),
        asked="and how many calls?",
        also=("how many calls was that?", "calls?"),
        numbers=lambda f: [len(f.where(month="2025-04"))],
    ),
    Golden(
        kind="follow-up",
        after=_YEAR,
        asked="top 3 models",
        also=("the top 3 models please", "top three models"),
        numbers=lambda f: [a for _, a in largest(f.where(year="2025"), lambda c: c.model, 3)],
    ),
    Golden(
        kind="follow-up",
        after=_YEAR,
        asked="as a chart",
        also=("show it as a graph", "plot that please"),
        numbers=lambda f: [spend(g) for g in grouped(clean(f.where(year="2025")), lambda c: c.month).values()],
    ),
    Golden(
        kind="follow-up",
        after=_MARCH,
        asked="compare with april",
        also=("compare it to april", "compared with April 2025?"),
        numbers=lambda f: [spend(f.where(month="2025-03")), spend(f.where(month="2025-04"))],
    ),
    Golden(
        kind="follow-up",
        after=("spend on claude in March 2025",),
        asked="compare with april",
        numbers=lambda f: [spend(c for c in f.having("claude") if c.month == m) for m in ("2025-03", "2025-04")],
    ),
    Golden(
        kind="follow-up",
        after=("spend on claude in March 2025",),
        asked="top 2 models",
        also=("and by model?",),
        numbers=lambda f: [
            a for _, a in largest([c for c in f.having("claude") if c.month == "2025-03"], lambda c: c.model, 2)
        ],
    ),
    Golden(
        kind="follow-up",
        after=_MAY,
        asked="and by team?",
        also=("what about the team",),
        refused="no_such_column",
    ),
)
