"""Spend, calls or tokens by who makes the models: a price list and the models' names tell, as no column does."""

from __future__ import annotations

import attrs
import msgspec

from chatcore.agents.analyst import lexicon, refusals
from chatcore.agents.analyst.asking import Asking
from chatcore.agents.analyst.catalogue import Catalogue
from chatcore.agents.analyst.columns import Meaning, name_words
from chatcore.agents.analyst.evidence import Query
from chatcore.agents.analyst.intents.base import Draft, IntentKind, Sheets, plural, table_of
from chatcore.agents.analyst.intents.claims import Claim
from chatcore.agents.analyst.intents.groups import Ranking, in_order
from chatcore.agents.analyst.intents.scope import gap_query, gap_words, implausible_query, nothing_there, totals_query
from chatcore.agents.analyst.pricebook.makers import provider_of
from chatcore.agents.analyst.reading import Reading
from chatcore.agents.analyst.readings import identifier
from chatcore.agents.analyst.request import Intent, Refusal

_BY = "provider"
_NOT_TOLD = "(not told)"
_WORDS = frozenset(["provider", "providers", "vendor", "vendors", "maker", "makers"])
_NOUN = r"(?:model |llm |ai )?(?:providers?|vendors?|makers?)"

CLAIM = Claim(
    name="makers",
    what="spend by provider",
    words=(
        rf"(?:by|per|each|every|across|which|what|top(?: \w+)?|most expensive|costliest|priciest|biggest) {_NOUN}",
        rf"(?:our|all|the) {_NOUN}",
    ),
    unless=(
        r"prices?|pricing|list|sells?|sold|offers?|charges?|cheap\w*|cached?|swap\w*|mov\w+|switch\w*",
        r"(?:how many|number of) (?:\w+ )?(?:providers|vendors|makers)",
    ),
    needs=(Meaning.MODEL,),
    able=lambda table: table.has(Meaning.COST) or table.has(Meaning.INPUT_TOKENS) or table.has(Meaning.TOTAL_TOKENS),
    lacks="usage",
)


def recognise(reading: Reading) -> Intent | Refusal | None:
    """Providers, where a price list tells them and no column of usage does."""
    catalogue = reading.catalogue
    used = [
        column for table in catalogue.tables if table.name not in catalogue.price_tables for column in table.columns
    ]
    told = any(_WORDS.intersection(name_words(column.name)) for column in used)
    if told or not catalogue.price_books or not reading.has(lexicon.FIGURES):
        return None
    asking = CLAIM.of(reading)
    return msgspec.structs.replace(CLAIM.intent(asking), by=_BY) if isinstance(asking, Asking) else asking


def queries(intent: Intent, catalogue: Catalogue) -> list[Query]:
    """The providers in order; which model is whose is bound beside, in two lists."""
    table = table_of(intent, catalogue)
    model = table.column(Meaning.MODEL)
    totals = [totals_query(intent, catalogue), *implausible_query(intent, catalogue), *gap_query(intent, catalogue)]
    if model is None or not catalogue.price_books:
        return totals
    known = {name: maker for name in model.values if (maker := provider_of(name, catalogue.price_books[0]))}
    mapped = "SELECT unnest($made_names) AS made_name, unnest($made_by) AS made_by"
    source = f"{identifier(table.name)} LEFT JOIN ({mapped}) ON CAST({identifier(model.name)} AS VARCHAR) = made_name"
    ordered = in_order(msgspec.structs.replace(intent, by=_BY), table, f"coalesce(made_by, '{_NOT_TOLD}')", source)
    lists = {"made_names": list(known), "made_by": list(known.values())}
    return [attrs.evolve(ordered, parameters={**ordered.parameters, **lists}), *totals]


def word(intent: Intent, catalogue: Catalogue, sheets: Sheets) -> Draft | Refusal:
    """The first provider in a sentence, all in a table, and what the mapping is."""
    table = table_of(intent, catalogue)
    if not CLAIM.allows(table):
        return CLAIM.lacking(table, catalogue)
    if "groups" not in sheets:
        return refusals.no_such_column(_BY, table, catalogue)
    if sheets["totals"].cell("calls").value == 0:
        return nothing_there(intent, catalogue)
    draft = Makers(msgspec.structs.replace(intent, by=_BY), table, sheets).draft()
    model = table.column(Meaning.MODEL)
    note = (
        f"`{table.name}` has no provider: who makes a model, whoever sold it, is taken from its name in "
        f"`{model.name if model else ''}` and from the price list, and who sold it where that tells no maker. Which "
        f"model is whose stands in the evidence; `{_NOT_TOLD}` are names that tell neither."
    )
    return attrs.evolve(draft, insights=(*draft.insights, note, *gap_words(sheets)))


@attrs.frozen
class Makers(Ranking):
    """The wording of providers in order."""

    def _totals(self) -> str:
        totals = self.sheets["totals"]
        calls = plural(totals.cell("calls"), "call")
        whole = f"{totals.cell('spend').money(self.table.currency)} over {calls}" if totals.has("spend") else calls
        return f"In total {whole} (`{self.table.name}`)."

    def _is_feature(self) -> bool:
        return False


KIND = IntentKind(
    "makers", "Spend, calls or tokens by provider: who makes the models, by their names", queries, word, recognise
)
