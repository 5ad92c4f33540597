"""How many different values a column has, and which are the commonest."""

from __future__ import annotations

from chatcore.agents.analyst.catalogue import Catalogue
from chatcore.agents.analyst.columns import Meaning
from chatcore.agents.analyst.evidence import Query
from chatcore.agents.analyst.intents import groups
from chatcore.agents.analyst.intents.account import Account, Subject, by_step
from chatcore.agents.analyst.intents.base import Draft, IntentKind, Sheets
from chatcore.agents.analyst.intents.groups import Ranking
from chatcore.agents.analyst.intents.scope import filter_words, nothing_there, period_words
from chatcore.agents.analyst.intents.trend import SHOWN_STEPS
from chatcore.agents.analyst.readings import identifier
from chatcore.agents.analyst.request import Intent, Refusal


def queries(intent: Intent, catalogue: Catalogue) -> list[Query]:
    """How many there are, the commonest of them, and how many in each step of time that is asked for."""
    asked = groups.queries(intent, catalogue)
    subject = Subject(intent, catalogue)
    if intent.grain is not None and subject.has(Meaning.TIME):
        name = identifier(str(intent.by))
        asked.append(by_step(subject, {"groups": f"count(DISTINCT {name})", "calls": "count(*)"}, subject.rows))
    return asked


def word(intent: Intent, catalogue: Catalogue, sheets: Sheets) -> Draft | Refusal:
    """The number first, the commonest values in a table."""
    totals = sheets["totals"]
    if totals.cell("calls").value == 0:
        return nothing_there(intent, catalogue)
    scope = period_words(intent) + filter_words(intent.filters)
    number = totals.cell("groups")
    values = f"is **{number.count}** value" if number.value == 1 else f"are **{number.count}** different values"
    headline = f"There {values} of `{intent.by}`{scope} (`{intent.table}`).\n\n"
    account = Account(intent, catalogue, sheets)
    if "steps" not in sheets:
        return Draft((headline, Ranking(intent, account.table, sheets).ranked_table()))
    titles = {"step": str(intent.grain), "groups": f"different `{intent.by}`", "calls": f"{account.noun}s"}
    steps = account.markdown("steps", titles, first=max(len(sheets["steps"]) - SHOWN_STEPS, 0))
    return Draft((headline, steps), tuple(_insights(sheets)))


def _insights(sheets: Sheets) -> list[str]:
    more = len(sheets["steps"]) > SHOWN_STEPS
    told = ["Only the newest steps are shown."] if more else []
    return [*told, "Whoever is in several steps is counted in each: the steps do not add up to the whole."]


KIND = IntentKind("distinct", "How many different values a column has, in all and over time", queries, word)
