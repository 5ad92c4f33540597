"""All golden questions."""

from __future__ import annotations

from .apart import APART
from .asked_on import ASKED_ON
from .decisions import DECISIONS
from .prices import ON_MODELS, PRICES, WHAT_IFS
from .question import Golden
from .refused import REFUSED
from .spend import SPEND
from .splits import SPLITS
from .threads import THREADS
from .waste import WASTE
from .whole import WHOLE

GOLDEN: tuple[Golden, ...] = (
    *SPEND, *SPLITS, *WASTE, *PRICES, *ON_MODELS, *WHAT_IFS, *DECISIONS, *REFUSED, *THREADS, *WHOLE, *APART, *ASKED_ON,
)  # fmt: skip
