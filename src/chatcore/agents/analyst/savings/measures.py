"""What calls would cost under one measure: SQL over the priced calls, one row per call that it touches. Pure."""

from __future__ import annotations

from typing import Literal, TypeAlias

import attrs

from chatcore.agents.analyst.prices.pricing import Calls, PriceDate, price_rows, priced_calls
from chatcore.agents.analyst.savings.priced import Priced
from chatcore.agents.analyst.savings.quality import Quality
from chatcore.agents.analyst.sql import Condition

Basis: TypeAlias = Literal["measured", "what_if", "ceiling"]

USUAL_SMALL = 1_000
"""Tokens below which a prompt is small where the question does not say: a page of text or two."""

USUAL_CAP_PERCENT = 95
"""Prompts are capped at the length that this share of them stays within, where the question names no length."""

_MILLION = "1000000.0"


@attrs.frozen(kw_only=True)
class Change:
    """One measure.

    Args:
        name: as in evidence.
        basis: how sure its saving is.
        touched: a SELECT over ``base`` (see :meth:`Priced.start`) with columns ``call``, ``projected``, what it would
            cost, and ``target``, the model that it would be on. Calls that it does not touch are not in it. It may bind
            values of its own.
        others: names that calls are priced as besides their own.
    """

    name: str
    basis: Basis
    touched: Condition
    others: tuple[str, ...] = ()


def again(priced: Priced, others: tuple[str, ...], calls: Calls, dated: PriceDate = PriceDate.CALL) -> Condition:
    """Priced anew, by the same lists of names that ``base`` binds."""
    found = priced_calls(calls, priced.book, priced.matches(*others), dated, lists="lists")
    own = {name: value for name, value in found.parameters.items() if not name.startswith("price_")}
    sql = f"SELECT call, list_cost AS projected, target FROM ({found.sql}) WHERE list_cost IS NOT NULL"
    return Condition(sql, own)


def _calls(
    name: str, *, source: str = "base", tokens: str = "call_input_tokens", time: str | None, where: Condition
) -> Calls:
    return Calls(
        source=source,
        name=name,
        input_tokens=tokens,
        output_tokens="call_output_tokens",
        time=time,
        where=where,
        keep={"call": "call", "target": name},
    )


def _at(priced: Priced) -> str | None:
    return "called_at" if priced.table.covered_from else None


def batched(discount_percent: float) -> Change:
    """Every call at a discount, as for those that may wait."""
    touched = Condition(
        "SELECT call, list_cost * (1.0 - $discount_percent / 100.0) AS projected, model AS target FROM base",
        {"discount_percent": discount_percent},
    )
    return Change(name="batch", basis="what_if", touched=touched)


def cached(hit_percent: float | None = None) -> Change:
    """All input at the price of what is read from a cache: more can never be saved by caching; or a share of it."""
    at_most = f"call_input_tokens * cache_read_rate / {_MILLION} + list_output_cost"
    share, bound = "", {}
    if hit_percent is not None:
        share, bound = " * $hit_percent / 100.0", {"hit_percent": hit_percent}
    sql = (
        f"SELECT call, list_cost - (list_cost - ({at_most})){share} AS projected, "
        "model AS target FROM base WHERE cache_read_rate IS NOT NULL"
    )
    return Change(name="cache", basis="ceiling", touched=Condition(sql, bound))


def cap_length(at: int | None) -> Condition:
    """SQL for the tokens that prompts are capped at: as asked, or what most prompts stay within."""
    if at is not None:
        return Condition("CAST($cap AS BIGINT)", {"cap": at})
    quantile = f"quantile_disc(call_input_tokens, {USUAL_CAP_PERCENT / 100})"
    return Condition(f"(SELECT CAST({quantile} AS BIGINT) FROM base)")


def capped(priced: Priced, at: int | None) -> Change:
    """Prompts cut to a length."""
    length = cap_length(at)
    where = Condition(f"call_input_tokens > {length.sql}", length.parameters)
    calls = _calls("model", tokens=f"least(call_input_tokens, {length.sql})", time=_at(priced), where=where)
    return Change(name="cap", basis="what_if", touched=again(priced, (), calls))


def swapped(priced: Priced, to: str) -> Change:
    """Every call on another model."""
    where = Condition("model IS DISTINCT FROM $swap_to", {"swap_to": to})
    touched = again(priced, (to,), _calls("$swap_to", time=_at(priced), where=where))
    return Change(name="swap", basis="what_if", touched=touched, others=(to,))


def routed(priced: Priced, to: str | None, below: int) -> Change:
    """Calls with a small prompt on a cheaper model: the one that is named, or the cheapest of those in use."""
    small = Condition("call_input_tokens < $below", {"below": below})
    others = (to,) if to else ()
    target = Condition("$route_to", {"route_to": to}) if to else Condition("(SELECT name FROM pick)")
    where = Condition(
        f"call_input_tokens < $below AND model IS DISTINCT FROM {target.sql}", {**small.parameters, **target.parameters}
    )
    touched = again(priced, others, _calls(target.sql, time=_at(priced), where=where))
    if not to:
        touched = _cheaper(touched)
        touched = Condition(f"WITH pick AS MATERIALIZED ({cheapest_used(priced)}) {touched.sql}", touched.parameters)
    return Change(name="route", basis="what_if", touched=touched, others=others)


def _cheaper(touched: Condition) -> Condition:
    """Only the calls that it makes cheaper."""
    joined = f"SELECT call, projected, target FROM ({touched.sql}) JOIN (SELECT call, list_cost FROM base) USING (call)"
    return Condition(f"{joined} WHERE projected < list_cost", touched.parameters)


def as_good(priced: Priced, quality: Quality) -> Change:
    """Each call on the cheapest model that scored at least what its own did; calls without a score stay."""
    usual = (
        "SELECT model, avg(call_input_tokens) AS inside, avg(call_output_tokens) AS outside FROM base GROUP BY model"
    )
    pairs = (
        f"SELECT model, candidate, inside, outside FROM ({usual}) JOIN ({quality.scores.sql}) USING (model) "
        f"JOIN (SELECT model AS candidate, score AS reached FROM ({quality.candidates.sql})) ON reached >= score"
    )
    calls = Calls(
        source=f"({pairs})",
        name="candidate",
        input_tokens="inside",
        output_tokens="outside",
        keep={"model": "model", "candidate": "candidate"},
    )
    found = priced_calls(calls, priced.book, priced.matches(*quality.names), PriceDate.NEWEST, lists="lists")
    chosen = (
        f"SELECT model, arg_min(candidate, (list_cost, candidate)) AS chosen FROM ({found.sql}) "
        "WHERE list_cost > 0 GROUP BY model"
    )
    source = f"(SELECT base.*, chosen FROM base JOIN ({chosen}) USING (model))"
    touched = again(priced, quality.names, _calls("chosen", source=source, time=_at(priced), where=Condition("")))
    parameters = {**quality.scores.parameters, **quality.candidates.parameters, **touched.parameters}
    return Change(
        name="as_good",
        basis="what_if",
        touched=_cheaper(Condition(touched.sql, parameters)),
        others=quality.names,
    )


def cheapest_used(priced: Priced) -> str:
    """A SELECT of the ``name`` of the model in use that a usual small call costs least on."""
    usual = (
        "SELECT model, input_tokens, output_tokens FROM (SELECT DISTINCT model FROM base), (SELECT "
        "avg(call_input_tokens) AS input_tokens, avg(call_output_tokens) AS output_tokens FROM base "
        "WHERE call_input_tokens < $below)"
    )
    calls = Calls(
        source=f"({usual})",
        name="model",
        input_tokens="input_tokens",
        output_tokens="output_tokens",
        keep={"name": "model"},
    )
    found = priced_calls(calls, priced.book, priced.matches(), PriceDate.NEWEST, lists="lists")
    return f"SELECT arg_min(name, (list_cost, name)) AS name FROM ({found.sql}) WHERE list_cost > 0"


def off_peak(priced: Priced) -> Change | None:
    """Calls of a model whose price depends on the time of the day, each at its cheapest time; None without such."""
    if priced.book.columns.from_time is None or _at(priced) is None:
        return None
    rows = price_rows(priced.book.columns)
    windows = (
        f"SELECT provider, model AS priced_as, unnest([from_time, to_time]) AS clock FROM ("
        f"SELECT {rows['provider']} AS provider, {rows['model']} AS model, {rows['from_time']} AS from_time, "
        f"{rows['to_time']} AS to_time FROM {priced.book.columns.source}) WHERE from_time IS NOT NULL"
    )
    moved = (
        "(SELECT call, model, call_input_tokens, call_output_tokens, CAST(called_at AS DATE) + clock AS called_at "
        f"FROM base JOIN ({windows}) ON priced_as = price_model AND provider IS NOT DISTINCT FROM price_provider)"
    )
    priced_then = again(priced, (), _calls("model", source=moved, time="called_at", where=Condition("")))
    cheapest = (
        f"SELECT call, min(projected) AS projected, any_value(target) AS target FROM ({priced_then.sql}) GROUP BY call"
    )
    touched = Condition(cheapest, priced_then.parameters)
    return Change(name="off_peak", basis="what_if", touched=_cheaper(touched))
