"""What evidence is drawn as, and what an SVG and a CSV of it hold."""

from __future__ import annotations

import csv
import io
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcore.protocol.messages import Evidence
from chatcore.web.calendars import CALENDARS, MOST_STEPS, steps_of
from chatcore.web.charts import MOST_BARS, Chart, chart_of, foremost, spoken
from chatcore.web.drawing import LEAST_WIDTH, MOST_WIDTH, cut, describe, draw
from chatcore.web.evidence import FORMULA, csv_text, file_name, listed
from chatcore.web.money import sign_of
from chatcore.web.scales import axis_for, figures, spread_axis, ticks

SVG = "{http://www.w3.org/2000/svg}"


def evidence(columns: list[str], *rows: list[Any], row_count: int | None = None, name: str = "e1") -> Evidence:
    return Evidence(
        id=name,
        tool="run_intent",
        query="SELECT 1",
        parameters={},
        columns=columns,
        rows=list(rows),
        row_count=len(rows) if row_count is None else row_count,
        sha256="0" * 64,
        data_version="1",
    )


def charted(columns: list[str], *rows: list[Any], **options: Any) -> Chart:
    chart = chart_of(evidence(columns, *rows, **options))
    assert chart is not None
    return chart


def root_of(chart: Chart, width: int = 640) -> ET.Element:
    return ET.fromstring(draw(chart, width))


def of_class(root: ET.Element, kind: str) -> list[ET.Element]:
    return [node for node in root.iter() if node.get("class") == kind]


def words(root: ET.Element) -> str:
    return " ".join("".join(node.itertext()) for node in root.iter(f"{SVG}text"))


# --- which chart ----------------------------------------------------------------------------------------------------


def test_months_without_rows_are_gaps_and_not_zero() -> None:
    chart = charted(["step", "spend"], ["2025-11", 3.0], ["2026-01", 5.0], ["2026-02", 0])
    assert (chart.kind, chart.step, chart.title) == ("steps", "month", "Spend by month")
    assert chart.labels == ("2025-11", "2025-12", "2026-01", "2026-02")
    assert chart.series[0].values == (3.0, None, 5.0, 0.0)
    assert chart.gaps == ("2025-12",)
    root = root_of(chart)
    assert [node[0].text for node in of_class(root, "gap")] == ["2025-12: no rows"]
    assert len(of_class(root, "bar")) == 3
    assert "No rows (which is not 0): 2025-12." in describe(chart)


def test_what_is_implausible_is_left_out_and_named() -> None:
    columns = ["step", "calls", "spend", "spend_without_implausible"]
    chart = charted(columns, ["2025-04", 9, 6.5, 6.5], ["2025-05", 7, 10009.9, 19.9])
    assert chart.columns == ("step", "spend_without_implausible")
    assert chart.recorded == (None, 10009.9)
    assert len(of_class(root_of(chart), "mark")) == 1
    assert "Implausible rows are left out: 2025-05 is 10,010 as recorded." in describe(chart)
    raw = chart_of(evidence(columns, ["2025-04", 9, 6.5, 6.5], ["2025-05", 7, 10009.9, 19.9]), "spend")
    assert raw is not None
    assert (raw.columns, raw.recorded) == (("step", "spend"), (None, None))


def test_what_was_left_out_of_a_name_stands_beside_it() -> None:
    chart = charted(["model", "spend", "spend_without_implausible"], ["a", 9991.0, 1.5], ["b", 74.0, 74.0])
    assert "1.5 (recorded 9,991)" in words(root_of(chart))


def test_money_has_the_sign_that_its_column_names() -> None:
    columns = ["step", "spend_usd", "spend_usd_without_implausible"]
    chart = charted(columns, ["2025-04", 1200.5, 1200.5], ["2025-05", 9990.0, 300])
    said = words(root_of(chart))
    assert "$1,000" in said
    assert "Highest: 2025-04 with $1,200." in describe(chart)
    assert "2025-05 is $9,990 as recorded" in describe(chart)
    assert of_class(root_of(chart), "bar")[0][0].text == "2025-04: $1,200"
    assert "-€5" in words(root_of(charted(["model", "change_eur"], ["a", 7], ["b", -5])))


def test_money_has_the_sign_of_the_currency_beside_it() -> None:
    columns = ["model", "calls", "cost", "cost_percent", "currency"]
    evident = evidence(columns, ["a", 9, 2.5, 80, "EUR"], ["b", 3, 1.5, 20, "eur"])
    for column, said in (("cost", "€2.5"), ("calls", "9"), ("cost_percent", "80")):
        chart = chart_of(evident, column)
        assert chart is not None
        assert said in words(root_of(chart)).split()
    mixed = chart_of(evidence(columns, ["a", 9, 2.5, 80, "EUR"], ["b", 3, 1.5, 20, "USD"]), "cost")
    assert mixed is not None
    assert "2.5" in words(root_of(mixed)).split()


def test_a_frontier_has_a_sign_on_the_cost_alone() -> None:
    said = words(root_of(charted(["model", "cost_usd", "score"], ["a", 100, 50], ["b", 200, 70]))).split()
    assert "$100" in said
    assert "50" in said


@pytest.mark.parametrize(
    ("column", "beside", "sign"),
    [
        ("cost_usd", (), "$"),
        ("Price GBP", (), ""),
        ("spend", (), ""),
        ("usd", (), "$"),
        ("usd_rate", (), ""),
        ("cost", ("£", "£"), "£"),
        ("cost", ("CHF", "CHF"), ""),
        ("cost", (None, None), ""),
        ("tokens", ("USD",), ""),
        ("cost_usd", ("EUR",), "$"),
    ],
)
def test_a_currency_is_what_the_evidence_tells_and_nothing_else(
    column: str, beside: tuple[str | None, ...], sign: str
) -> None:
    assert sign_of(column, beside) == sign


def test_a_number_without_its_raw_one_is_shown_as_it_is() -> None:
    chart = charted(["model", "spend_without_implausible"], ["a", 2], ["b", 1])
    assert chart.recorded == (None, None)


def test_names_become_bars_of_the_column_they_are_sorted_by() -> None:
    chart = charted(["model", "spend", "calls"], ["a", 1.0, 9], ["b", 3.0, 5], ["c", 2.0, 1])
    assert (chart.kind, chart.title, chart.columns) == ("bars", "Calls by model", ("model", "calls"))
    unsorted = charted(["model", "other", "spend"], ["a", 1, 1.0], ["b", 3, 3.0], ["c", 2, 2.0])
    assert unsorted.columns == ("model", "spend")


def test_a_column_can_be_asked_for_and_one_without_numbers_cannot() -> None:
    sheet = evidence(["model", "spend", "calls", "note"], ["a", 3.0, 9, "x"], ["b", 1.0, 50, "y"])
    assert [chart.columns[1] for name in ("calls", "note", "no") if (chart := chart_of(sheet, name))] == [
        "calls",
        "spend",
        "spend",
    ]


def test_more_names_than_can_be_read_stand_in_the_table() -> None:
    rows = [[f"m{place}", 100 - place] for place in range(MOST_BARS + 5)]
    chart = charted(["model", "spend"], *rows, row_count=40)
    assert (len(chart.labels), chart.left_out, chart.total) == (MOST_BARS, 25, 40)
    assert f"{MOST_BARS} of 40 rows are drawn." in describe(chart)


def test_savings_that_overlap_are_not_added_up() -> None:
    columns = ["measure", "basis", "saving", "saving_together"]
    chart = charted(columns, ["swap", "what_if", 9.0, 7.0], ["cache", "ceiling", 4.0, None], ["all", "x", 2.0, 2.0])
    assert chart.labels == ("swap", "cache (at most)", "all")
    assert chart.columns == ("measure", "saving", "saving_together")
    root = root_of(chart)
    assert (len(of_class(root, "pale")), len(of_class(root, "bar"))) == (3, 2)
    assert "9, adds 7" in words(root)
    assert "nothing is counted twice" in describe(chart)


def test_a_frontier_is_what_nothing_beats() -> None:
    chart = charted(
        ["model", "score_percent", "cost"],
        ["dear", 70.0, 50.0],
        ["cheap", 40.0, 0.3],
        ["good", 80.0, 9.0],
        ["worse", 30.0, 0.3],
        ["free", 90.0, 0],
    )
    assert (chart.kind, chart.title) == ("frontier", "Score percent against cost")
    assert [chart.labels[place] for place in chart.on_frontier()] == ["cheap", "good"]
    assert chart.left_out == 1, "a cost of 0 was not recorded"
    root = root_of(chart)
    assert (len(of_class(root, "other")), len(of_class(root, "line"))) == (2, 1)
    assert "cheap, good." in describe(chart)


@pytest.mark.parametrize(
    ("columns", "rows"),
    [
        (["a", "cost"], [["x", 1]]),  # one row
        (["a"], [["x"], ["y"]]),  # no numbers
        ([], [[], []]),
        (["n", "cost"], [[1, 1], [2, 2]]),  # no names
        (["n", "cost"], [["x", 1], [3, 2]]),  # names and numbers
        (["n", "cost"], [["x", 1], ["x", 2]]),  # the same name twice
        (["n", "cost"], [["x", True], ["y", False]]),
        (["n", "cost"], [["x", float("inf")], ["y", 10**400]]),
        (["n", "cost"], [["x", None], ["y"]]),
        (["day", "cost"], [["2025-01-02", 1], ["2025-01-01", 2]]),  # not in order: no course of time
        (["day", "cost"], [["1900-01-01", 1], ["2025-01-01", 2]]),  # too long
        (["day", "cost"], [["1900-01-01", 2], ["2025-01-01", 1]]),  # too long, and only by chance the greatest first
    ],
)
def test_a_table_says_it_better(columns: list[str], rows: list[list[Any]]) -> None:
    assert chart_of(evidence(columns, *rows)) is None


def test_a_frontier_needs_two_with_both_numbers() -> None:
    assert charted(["model", "score", "cost"], ["a", 1, 0], ["b", 2, 3]).kind == "bars"
    assert charted(["model", "cost_score"], ["a", 1], ["b", 2]).kind == "bars"


def test_days_in_the_order_of_a_number_are_bars() -> None:
    columns = ["day", "spend_without_implausible", "spend", "calls", "robust_z"]
    odd = ["2025-05-01", 7.0, 7.0, 3, 9.5], ["2025-03-02", 5.0, 9990.0, 4, 7.5], ["2025-04-03", 2.0, 2.0, 90, 4.0]
    chart = charted(columns, *odd)
    assert (chart.kind, chart.title) == ("bars", "Spend without implausible by day")
    assert (chart.labels[0], chart.series[0].values) == ("2025-05-01", (7.0, 5.0, 2.0))
    assert chart.recorded == (None, 9990.0, None)
    raw = evidence(["day", "spend"], ["2025-05-01", 9990.0], ["2025-03-02", 7.0], name="raw")
    assert [item.id for item in (raw, evidence(columns, *odd, name="clean")) if chart_of(item)] == ["raw", "clean"]
    first = foremost([raw, evidence(columns, *odd, name="clean")])
    assert first is not None
    assert first.id == "clean"


def test_a_frontier_or_a_course_of_time_comes_before_names() -> None:
    bars = evidence(["model", "spend"], ["a", 2], ["b", 1], name="bars")
    steps = evidence(["step", "spend"], ["2025-01", 2], ["2025-02", 1], name="steps")
    table = evidence(["spend"], [1], name="table")
    assert [item.id for group in ([table, bars, steps], [bars]) if (item := foremost(group))] == ["steps", "bars"]
    assert foremost([table]) is None
    assert listed([table]).foremost is None
    shown = listed([table, bars])
    assert shown.foremost == "bars"
    assert [item.chart is None for item in shown.evidence] == [True, False]


# --- calendars and scales -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "step", "between"),
    [
        (["2024-12-31", "2025-01-02"], "day", "2025-01-01"),
        (["2020-W53", "2021-W02"], "week", "2021-W01"),
        (["2024-12", "2025-02"], "month", "2025-01"),
        (["2024-Q4", "2025-Q2"], "quarter", "2025-Q1"),
        (["2023", "2025"], "year", "2024"),
        (["08:00", "10:00"], "hour", "09:00"),
    ],
)
def test_steps_know_what_lies_between(labels: list[str], step: str, between: str) -> None:
    steps = steps_of(labels)
    assert steps is not None
    assert (steps.step, steps.labels, steps.places) == (step, (labels[0], between, labels[1]), (0, 2))


@pytest.mark.parametrize("labels", [[], ["x"], ["2025-13"], ["2025-W60"], ["2025-01", "2025"], ["24:00"], ["２０２５"]])
def test_other_labels_are_no_steps(labels: list[str]) -> None:
    assert steps_of(labels) is None


@given(st.sampled_from(sorted(CALENDARS)), st.integers(0, 23))
def test_a_label_names_its_number(step: str, number: int) -> None:
    calendar = CALENDARS[step]
    at = number if step == "hour" else number + 8_000
    assert calendar.number(calendar.label(at)) == at


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (1234.5, "1,234"), (9.5, "9.5"), (-3, "-3"), (0.0312, "0.031"), (2.5e6, "2.5M"), (7e9, "7B")],
)
def test_figures_are_short(value: float, text: str) -> None:
    assert figures(value) == text


@given(st.floats(-1e15, 1e15), st.floats(1e-12, 1e15))
def test_ticks_enclose_what_they_measure(low: float, width: float) -> None:
    if width > abs(low) * 1e-9:  # closer ones are no two numbers of a chart, and hardly of a float
        marks = ticks(low, low + width, 4)
        assert 2 <= len(marks) <= 8
        assert marks[0] <= low + width * 1e-6
        assert marks[-1] >= low + width * (1 - 1e-6)


def test_an_axis_of_zeros_and_one_of_ratios() -> None:
    assert axis_for([0, 0], 0, 100, 4)[0].at(0) == 0
    axis, marks = spread_axis([1, 10_000], 0, 100, 4)
    assert axis.logarithmic
    assert marks == (1.0, 10.0, 100.0, 1000.0, 10_000.0)
    assert not spread_axis([1, 2], 0, 100, 4)[0].logarithmic


# --- the drawing ----------------------------------------------------------------------------------------------------


def test_many_steps_are_a_line_that_breaks_at_a_gap() -> None:
    days = [[f"2024-{month:02}-{day:02}", day] for month in (1, 2, 3, 5, 6, 7, 9) for day in range(1, 29)]
    chart = charted(["day", "spend"], *days[:-27])
    root = root_of(chart, 300)
    assert len(of_class(root, "line")) == 6
    assert len(of_class(root, "bar")) == 1, "a day alone is a dot"
    assert len(chart.gaps) > 6
    assert " more." in describe(chart)


def test_amounts_below_zero_stand_on_the_other_side() -> None:
    for labels in (["a", "b"], ["2025-01", "2025-02"]):
        chart = charted(["name", "change"], [labels[0], -5], [labels[1], 3])
        first, second = (float(node.get("x", 0)) for node in of_class(root_of(chart), "bar"))
        assert first < second
    below = charted(["name", "change"], ["a", -5], ["b", -7])
    assert len(of_class(root_of(below), "bar")) == 2


def test_a_name_without_a_number_says_so() -> None:
    chart = charted(["model", "cost"], ["a", None], ["b", 0], [None, 0])
    assert "no number" in words(root_of(chart))
    assert "none" in chart.labels
    assert "No number (which is not 0): a." in describe(chart)


def test_names_of_which_the_first_have_no_number_are_no_chart() -> None:
    rows = [[f"m{number}", None, 1.0 + number] for number in range(MOST_BARS)]
    item = evidence(["model", "cost", "calls"], *rows, ["last", 3.5, 0.5])
    assert chart_of(item, "cost") is None
    assert chart_of(item, "calls") is not None
    assert listed([evidence(["model", "cost"], *[row[:2] for row in rows], ["last", 3.5])]).foremost is None


@pytest.mark.parametrize("width", [0, 320, 9_999])
def test_it_is_drawn_for_a_width(width: int) -> None:
    root = root_of(charted(["model", "cost"], ["a" * 300, 2], ["b", 1]), width)
    assert root.get("width") == str(max(LEAST_WIDTH, min(MOST_WIDTH, width)))
    assert root.get("role") == "img"
    assert root.get("aria-labelledby") == "title desc"
    assert [root[0].text, root[1].text] == ["Cost by model", f"Highest: {'a' * 300} with 2."]


def test_long_names_keep_both_ends() -> None:
    assert cut("anthropic/claude-3-7", 66) == "anthr\u2026-3-7"
    assert cut("short", 660) == "short"
    assert spoken("") == "value"


def test_a_long_title_takes_two_lines() -> None:
    root = root_of(charted(["a_long_label_of_some_name", "spend_in_another_currency"], ["a", 2], ["b", 1]), 240)
    assert len(of_class(root, "title")) == 2


cells = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(["2025-01", "2025-04", "2025-W02", "<script>", "</text>", "\x00\ud800", "&amp;", '"']),
    st.lists(st.integers(), max_size=2),
)
NAMES = st.sampled_from(["step", "spend", "cost", "score", "saving", "saving_together", "spend_without_implausible"])


@st.composite
def any_evidence(draw_: st.DrawFn) -> Evidence:
    columns = draw_(st.lists(st.one_of(NAMES, st.text(max_size=30)), max_size=5))
    numbers = st.one_of(st.none(), st.floats(-1e16, 1e16), st.integers(-5, 10**20))
    label = st.one_of(st.text(max_size=40), st.sampled_from(["2025-01", "2025-02", "2025-05", "<b>", "\x00\ud800"]))
    row = st.one_of(
        st.lists(cells, max_size=6),
        st.tuples(label, *[numbers for _ in columns[1:]]).map(list) if columns else st.just([]),
    )
    rows = draw_(st.lists(row, max_size=20))
    return evidence(columns, *rows, row_count=draw_(st.integers(0, 50)))


@given(any_evidence(), st.integers(0, 1300), st.one_of(st.none(), NAMES))
def test_whatever_evidence_says_the_drawing_is_well_formed(item: Evidence, width: int, column: str | None) -> None:
    listed([item])
    chart = chart_of(item, column)
    if chart is None:
        return
    text = draw(chart, width)
    root = ET.fromstring(text.encode())
    allowed = {"svg", "title", "desc", "style", "rect", "g", "text", "line", "circle", "polyline", "polygon"}
    assert {node.tag.removeprefix(SVG) for node in root.iter()} <= allowed
    assert not any(name.startswith("on") or "href" in name for node in root.iter() for name in node.attrib)
    assert "nan" not in "".join(value for node in root.iter() for value in node.attrib.values())
    assert len(chart.labels) <= MOST_STEPS


@given(st.sampled_from(["<script>alert(1)</script>", '"><g onload="x">', "a&b", "]]>"]))
def test_words_of_the_data_stay_words(name: str) -> None:
    root = root_of(charted(["<model>", "cost"], [name, 2], ["b", 1]), 1000)
    assert name in words(root)
    assert root[0].text == "Cost by <model>"


# --- CSV ------------------------------------------------------------------------------------------------------------


def test_rows_as_csv() -> None:
    text = csv_text(
        evidence(["name", "cost", "note"], ['a,"b"', -1.5, None], ["=1+1", 2, [1]], ["-x", True, "two\r\nlines"])
    )
    assert text.endswith("\r\n")
    assert list(csv.reader(io.StringIO(text, newline=""))) == [
        ["name", "cost", "note"],
        ['a,"b"', "-1.5", ""],
        ["'=1+1", "2", "[1]"],
        ["'-x", "true", "two\r\nlines"],
    ]


@given(any_evidence())
def test_no_text_of_a_csv_is_a_formula(item: Evidence) -> None:
    texts = {cell for row in [item.columns, *item.rows] for cell in row if isinstance(cell, str)}
    read = [cell for row in csv.reader(io.StringIO(csv_text(item), newline="")) for cell in row]
    for text in texts:
        assert not text.startswith(FORMULA) or f"'{text}" in read


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"])
def test_whatever_may_begin_a_formula_is_guarded(begin: str) -> None:
    text = csv_text(evidence(["name", "cost"], [f"{begin}1+1", 2.5]))
    assert next(iter(csv.reader(io.StringIO(text.partition("\r\n")[2], newline=""))))[0] == f"'{begin}1+1"


def test_a_file_name_is_harmless() -> None:
    assert file_name("run_1", 'e1"\r\n/..é') == "run_1-e1____.._"
