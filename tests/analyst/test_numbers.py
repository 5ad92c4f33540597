"""Which numbers trace to evidence."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcore.agents.numbers import READ_CHARACTERS, proof_of, untraceable_numbers
from chatcore.protocol.messages import Evidence


def evidence(*rows: Sequence[object]) -> Evidence:
    return Evidence(
        id="e1", tool="t", query="", parameters={}, columns=[], rows=[list(row) for row in rows], row_count=len(rows),
        sha256="", data_version="",
    )  # fmt: skip


CELLS = evidence(
    ["2025-05-07 15:29:32", 10033, 9990.01252875, "gemini/gemini-2.5-pro-preview-03-25", None, True],
    [5522, 10182.703, -74.334, 12.53, "Claude Sonnet 3.7", 1234567, 1e-05, "2024-08", "007"],
)
QUESTION = "the top 25 of 2031, please"

TRACED = (
    "You spent **$10,182.70** over 5,522 calls",
    "On 2025-05-07 15:29:32 10,033 tokens cost $9,990.01.",
    "2025-05-07T15:29:32Z and 15:29",
    "9990.01252875", "9,990", "$9,990", "$ 9,990.0", "10.0k", "10k", "1.2M tokens", "1.235 million", "1 million",
    "fell by $74.33", "-$74.33", "−$74.33", "-74", "12.5%", "12.53 %", "13%",
    "$0.00001", "1e-05", "7", "3 models", "0", "9%", "(5,522)", "5522.", "5,522;", "| 5,522 |", "5,522-",
    "1. first\n10. tenth\n11) more\n", "- 5,522", "> 9. quoted\n> 10. more",
    "gpt-4o, o3, claude-3-7-sonnet-20250219 and qwen2p5", "gemini/gemini-2.5-pro-preview-03-25",
    "Claude Sonnet 3.7 leads", "52b5cc12-f16d-45f3-b30c-95ab4ae904ee", "sha1 and utf-8", "1,234,567",
    "in May 2025, Q1 2025, 7 May 2025, May 7th, 2025, 2025-Q2, 2025-W19 and 31.12.2025",
    "in 2024", "between 2024 and 2025", "from 2024-08-13 to 2026-04-25", "since 2024-08", "2024 vs 2025",
    "`1234 foo` and ``56 `7` 89``", "```\n999 lines\n```", "~~~\n999\n~~~",
    "ten thousand tokens", "a million tokens", "cost per million", "rose from 2024 to 2025", "rose in 2024",
    "the end of 2024", "gpt-5, claude-3 and sonnet-4", "h100 and r1",
    "the top 25", "2031", "25 of them", "the 007 agent", "",
    "**5**,522 and **$10,182.70**", "5&#44;522", "5\\,522", "٥٬٥٢٢ and ５,５２２", "5_522", "5'522", "12.53％",
    "12.53 pct",
    "ten thousand one hundred and eighty-three", "twenty-five of them", "ten thousand, two hundred", "one-off", "two",
    "**10.2** thousand", "1.2×10⁶", "7 m²", "$1.2m", "1.2 Mio", "$1.2 mn", "12 lakh",
    "- x\n  ```sh\n  seq 4242\n  ```\n", "> ~~~\n> 999\n> ~~~", "``` 4242 ```", "price per million tokens",
    "just over 5,500 calls", "more than 5,500", "5,500+ calls", "5500 or so", "~10,200 dollars", "1.2 Mtok",
    "1.2 M tokens", "$.00001",
    "price per one million tokens", "in 05/2025, 2025/06 and on 2025/06/07", "at hour 05",
)  # fmt: skip


FREE = (
    "on 13-08-2024, 08-13-2024, 13-Aug-2024 and 13-Aug-24", "Aug '24 to Apr ’26", "Q1 '25, Q1/2025, FY 2025, FY2024/25",
    "2024–2026 and 2024-2026", "12–15 May", "May 12–15, 2025", "May 1 to 31", "May 12, 14 and 16", "March 1st–15th",
    "12 and 13 May 2025", "the 12th and 13th of May", "on the 15th of each month", "On May 15 calls rose",
    "12pm, 11 a.m., 11 am, 2.40 pm", "10–11 pm", "10 PM–11 PM",
    "Claude 3.7 Sonnet, Claude Opus 4.1, Llama 3.1 405B, Qwen 2.5 Coder 32B and Gemini 2.5 Pro",
    "version 2.10.3, Python 3.11, DuckDB 1.4.1", "RFC 3339, ISO 8601, HTTP 429", "see https://example.com/2024/12345",
    "the 50th, 90th and 99.9th percentiles", "24/7", "per 1,000 tokens, per 1k tokens, per 1M tokens", "$ / 1M tokens",
    "**9. i**\n**10. j**\n**11. k**", "10\\. x", "### 10. x\n### 11. y",
    "".join(f"| {n} | x |\n" for n in range(1, 16)),
)  # fmt: skip


@pytest.mark.parametrize("text", FREE)
def test_what_is_no_quantity_needs_no_evidence(text: str) -> None:
    assert untraceable_numbers(text, question="", evidence=[]) == ()


@pytest.mark.parametrize("text", TRACED)
def test_honest_texts_pass(text: str) -> None:
    assert untraceable_numbers(text, question=QUESTION, evidence=[CELLS]) == ()


INVENTED = {
    "$25 may be saved": ("$25",),
    "$9.31 may be saved": ("$9.31",),
    "In May 15 calls failed": ("15",),
    "$12 – 15 May": ("$12",),
    "$31 March": ("$31",),
    "2000-2010 tokens": ("2000", "2010"),
    "2024-2,500": ("2,500",),
    "$.5522 and .12": ("$.5522", ".12"),
    "Claude 3.5 million tokens, Gemini 2.5% and GPT 12": ("3.5 million", "2.5", "12"),
    "per 1,000,500 and per 10000 calls": ("1,000,500", "10000"),
    "24/75 and 24/7.5": ("24", "75", "7.5"),
    "| 11 | x |\n| 15 | y |": ("11", "15"),
    "about 5,600 calls, over 5,500, more than 5,000": ("5,600", "5,500", "5,000"),
    "5,500 calls": ("5,500",),
    "$10,182.71": ("$10,182.71",),
    "11 calls": ("11",),
    "5,523 and 5,522": ("5,523",),
    "1.3M": ("1.3M",),
    "5M": ("5M",),
    "2 million": ("2 million",),
    "30-day": ("30",),
    "10ms and 250ms": ("10", "250"),
    "99%": ("99",),
    "1253%": ("1253",),
    "0.125": ("0.125",),
    "12.54%": ("12.54",),
    "-$10,182.70": ("-$10,182.70",),
    "-5,522": ("-5,522",),
    "in 2019 calls": ("2019",),
    "to 2000 tokens": ("2000",),
    "1999 rows": ("1999",),
    "USD9999": ("9999",),
    "tokens/5000": ("5000",),
    "Total:5000": ("5000",),
    "tokens:75923321 of them": ("75923321",),
    "calls#5000": ("5000",),
    "approx.5000 tokens": ("5000",),
    "10–20": ("10", "20"),
    "~$5k": ("$5k",),
    "5,52": ("52",),
    "9,990.02": ("9,990.02",),
    "12:99": ("12", "99"),
    "2019-17-45": ("2019", "17", "45"),
    "12 12 12": ("12",),
    "`10` is 11": ("11",),
    "unclosed ` 4242": ("4242",),
    "10.5.": ("10.5",),
    "cost-5000": ("5000",),
    "x5000": ("5000",),
    "tokens5000": ("5000",),
    "five thousand calls": ("five thousand",),
    "Twenty-five million": ("Twenty-five million",),
    "it rose to 2024.": ("2024",),
    "a total of 2024": ("2024",),
    "spend fell by 2020.": ("2020",),
    "250) calls": ("250",),
    "You spent\n7777. That was it": ("7777",),
    "5\u200b000": ("5000",),
    "5\u00ad0\u20600\ufeff0": ("5000",),
    "5**0**00": ("5000",),
    "*5*000 and ~~6~~000": ("5000", "6000"),
    "5&#48;&#x30;0": ("5000",),
    "5<b>0</b>00 and 6<!-- -->000": ("5000", "6000"),
    "[5](x)[0](y)00": ("5000",),
    "5\\,000": ("5,000",),
    "5 000": ("000",),
    "5\u202f000": ("000",),
    "5'000 and 6_000": ("5'000", "6_000"),
    "16,0000": ("0000",),
    "⁵⁰⁰⁰ and ⑤⓪⓪⓪ and ₆₀₀₀": ("5000", "6000"),
    "٥٠٠٠ and ６０００": ("5000", "6000"),
    "$12.53m and $12.53bn": ("$12.53m", "$12.53bn"),
    "12.53MM tokens": ("12.53MM",),
    "12.53 Million": ("12.53 Million",),
    "12.53 millions": ("12.53 millions",),
    "**12.53** million": ("12.53 million",),
    "12.53-thousand": ("12.53-thousand",),
    "12.53 hundred": ("12.53 hundred",),
    "12.53 Mio": ("12.53 Mio",),
    "12.53万": ("12.53万",),
    "12.53×10³": ("12.53×10^3",),
    "12.53x10^3": ("12.53x10^3",),
    "+$74.33": ("+$74.33",),
    "–$12.53": ("–$12.53",),
    "seventy-seven calls": ("seventy-seven",),
    "eleven of them": ("eleven",),
    "one hundred and twelve": ("one hundred and twelve",),
    "three dozen": ("three dozen",),
    "spent5000": ("5000",),
    "JPY600": ("600",),
    "a ` b\n\n$5,000\n\nc ` d": ("$5,000",),
    "a ``` b $5,000": ("$5,000",),
    "\\`$5,000\\`": ("$5,000",),
}


@pytest.mark.parametrize("text", INVENTED)
def test_invented_numbers_are_found(text: str) -> None:
    found = untraceable_numbers(text, question="", evidence=[CELLS])
    assert set(INVENTED[text]) <= set(found)


def test_a_percentage_is_no_amount() -> None:
    item = Evidence(
        id="e1", tool="t", query="", parameters={}, columns=["spend", "share", "spend_percent", "calls"],
        rows=[[41.5, 22.4, 33.3, 55]], row_count=1, sha256="", data_version="",
    )  # fmt: skip
    assert untraceable_numbers("$41.50, 22.4%, 33.3 % and 55 calls", question="", evidence=[item]) == ()
    assert untraceable_numbers("41.5% and 55 percent", question="", evidence=[item]) == ("41.5", "55")
    dressed = "41.5％, **55**%, 55 pct, 55 percentage points and fifty-five percent"
    assert untraceable_numbers(dressed, question="", evidence=[item]) == ("41.5", "55", "fifty-five")
    assert untraceable_numbers("41.5‰ and 224‰", question="", evidence=[item]) == ("41.5",)


def test_money_counts_and_percentages_are_told_apart() -> None:
    item = Evidence(
        id="e1", tool="t", query="", parameters={}, columns=["spend", "calls", "free_percent", "with_cost", "average"],
        rows=[[41.5, 55, 22.4, 77, 18.25]], row_count=1, sha256="", data_version="",
    )  # fmt: skip
    honest = "$41.50 for 55 calls, 22.4% free, 77 calls paid; $18.25, 18.25 tokens, 18.25% and 55; 41.5 USD"
    assert untraceable_numbers(honest, question="", evidence=[item]) == ()
    wrong = "$22.40, 22.4 calls, 41.5 calls, $55, 55 dollars, fifty-five dollars, 41.5%"
    assert untraceable_numbers(wrong, question="", evidence=[item]) == (
        "$22.40", "22.4", "41.5", "$55", "55", "fifty-five",
    )  # fmt: skip


def test_a_part_of_one_is_a_percentage() -> None:
    item = Evidence(
        id="e1", tool="t", query="", parameters={}, columns=["spend_share", "share_percent", "error_rate", "spend"],
        rows=[[0.385, 0.57, 12.5, 0.625]], row_count=1, sha256="", data_version="",
    )  # fmt: skip
    assert untraceable_numbers("38.5% and 0.385, 0.57%, 12.5%", question="", evidence=[item]) == ()
    assert untraceable_numbers("57%, 62.5%", question="", evidence=[item]) == ("57", "62.5")
    assert untraceable_numbers("38.5 of them", question="", evidence=[item]) == ("38.5",)


def test_without_evidence_nothing_traces() -> None:
    assert untraceable_numbers("There are 5,522 calls", question="", evidence=[]) == ("5,522",)
    assert untraceable_numbers("There are 5,522 calls", question="are there 5522?", evidence=[]) == ()


def test_only_rows_are_cells() -> None:
    item = Evidence(
        id="e9", tool="t42", query="SELECT 777", parameters={"n": 888}, columns=["c999"], rows=[[1]], row_count=4321,
        sha256="", data_version="1234",
    )  # fmt: skip
    assert untraceable_numbers("42 777 888 999 4321 1234", question="", evidence=[item]) == (
        "42", "777", "888", "999", "4321", "1234",
    )  # fmt: skip


numbers = st.floats(min_value=-1e12, max_value=1e12, allow_nan=False).filter(lambda value: abs(value) >= 10)


@given(numbers, st.integers(0, 6))
def test_a_cell_traces_at_any_precision(value: float, decimals: int) -> None:
    shown = f"{value:,.{decimals}f}"
    assert untraceable_numbers(f"It is {shown} today.", question="", evidence=[evidence([value])]) == ()
    assert untraceable_numbers(f"It is ${shown.lstrip('-')}.", question="", evidence=[evidence([value])]) == ()


@given(st.integers(10, 10**9), st.integers(10, 10**9))
def test_another_integer_does_not(shown: int, cell: int) -> None:
    found = untraceable_numbers(f"There are {shown:,} rows", question="", evidence=[evidence([cell])])
    assert bool(found) == (shown != cell)


@given(st.decimals(10, 10**6, places=2, allow_nan=False), st.integers(1, 99))
def test_a_cent_more_does_not_trace(amount: object, cents: int) -> None:
    value = float(str(amount))
    found = untraceable_numbers(f"${value + cents / 100:.2f}", question="", evidence=[evidence([value])])
    assert found


@pytest.mark.parametrize("digits", ["9999999999e300", "9" * 400, "1e999", f"1e{'9' * 5000}"], ids=len)
def test_what_no_float_holds_is_in_no_cell(digits: str) -> None:
    assert untraceable_numbers(f"You spent ${digits}.", question="", evidence=[CELLS]) == (f"${digits}",)
    assert untraceable_numbers("5,522 calls", question=f"more than {digits}?", evidence=[CELLS]) == ()


@given(st.text(max_size=80), st.text(max_size=20))
def test_no_text_breaks_it(text: str, question: str) -> None:
    found = untraceable_numbers(text, question=question, evidence=[CELLS])
    assert all(found)


@given(st.text(alphabet="0123456789.,-$%kM eE`\n", max_size=40))
def test_no_figures_break_it(text: str) -> None:
    untraceable_numbers(text, question=text, evidence=[CELLS])


def test_it_is_quick_over_much_evidence() -> None:
    rows = [[f"2025-05-{i % 28 + 1:02d} 15:29:32", f"model-{i}", i * 3.7, i * 1001, None] for i in range(200)]
    text = "\n".join(f"| model-{i} | {i * 3.7:,.2f} | {i * 1001:,} |" for i in range(50))
    assert untraceable_numbers(text, question="x", evidence=[evidence(*rows)] * 4) == ()


def test_of_a_long_question_what_stands_far_in_it_may_be_said_as_it_is_written() -> None:
    question = f"Spend of 7,000 and up. {'la ' * READ_CHARACTERS}And $12,345.60, 88.5% or 4321?"
    said = "7k, $12,345.60, 88.5%, 4321"
    assert untraceable_numbers(said, question=question, evidence=[]) == ()
    assert untraceable_numbers("345, 12,345.6, 321, 8.5", question=question, evidence=[]) == (
        "345", "12,345.6", "321", "8.5",
    )  # fmt: skip


def test_a_question_of_nothing_but_figures_is_read_in_part() -> None:
    numbers = proof_of(" ".join(map(str, range(10, 200_000))), []).asked
    assert len(numbers) < READ_CHARACTERS / 2
