"""All golden questions."""

from __future__ import annotations

from .question import Golden
from .refused import REFUSED
from .spend import SPEND
from .splits import SPLITS
from .threads import THREADS

GOLDEN: tuple[Golden, ...] = (*SPEND, *SPLITS, *REFUSED, *THREADS)
