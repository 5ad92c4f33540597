"""How many different values a column has, and which are the commonest."""

from __future__ import annotations

from chatcore.agents.analyst.catalogue import Catalogue
from chatcore.agents.analyst.intents import groups
from chatcore.agents.analyst.intents.base import Draft, IntentKind, Sheets, table_of
from chatcore.agents.analyst.intents.groups import Ranking
from chatcore.agents.analyst.intents.scope import filter_words, nothing_there, period_words
from chatcore.agents.analyst.request import Intent, Refusal


def word(intent: Intent, catalogue: Catalogue, sheets: Sheets) -> Draft | Refusal:
    """The number first, the commonest values in a table."""
    totals = sheets["totals"]
    if totals.cell("calls").value == 0:
        return nothing_there(intent, catalogue)
    scope = period_words(intent) + filter_words(intent.filters)
    number = totals.cell("groups")
    values = f"is **{number.count}** value" if number.value == 1 else f"are **{number.count}** different values"
    headline = f"There {values} of `{intent.by}`{scope} (`{intent.table}`).\n\n"
    return Draft((headline, Ranking(intent, table_of(intent, catalogue), sheets).ranked_table()))


KIND = IntentKind("distinct", "How many different values a column has", groups.queries, word)
