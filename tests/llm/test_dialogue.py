"""The turns with a model, each bound of them, and what may be shown: through the real supervisor, in virtual time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import trio
from llm_scenes import RememberedModel, Shelf, Talker, calling, saying

from chatcore.agents.llm.budget import Limits
from chatcore.agents.llm.dialogue import MAX_ARGUMENT_BYTES
from chatcore.agents.llm.functions import functions_of
from chatcore.agents.llm.messages import HISTORY_EACH, HISTORY_MESSAGES
from chatcore.agents.llm.reply import Call, Reply
from chatcore.agents.tools import Tool, ToolRegistry, ToolResult
from chatcore.protocol import messages as m
from chatcore.testing import in_virtual_time
from chatcore.testing.agents import rehearsing, run_agent

pytestmark = pytest.mark.usefixtures("threads_in_place")

LOOK = calling("look_up", {"name": "spend"})


class Asked:
    """A question put to a model that follows a script, and how it ended."""

    def __init__(self, *replies: Reply, shelf: Shelf | None = None, seconds: float = 0.0, **limits: Any) -> None:
        self.shelf = shelf or Shelf()
        self.model = RememberedModel(replies, seconds=seconds)
        self.agent = Talker(self.model, self.shelf.tools, Limits(**limits))
        self.events: list[m.AnyRunEvent] = []

    async def about(self, question: str) -> Any:
        self.events = await run_agent(self.agent, question)
        return self.events[-1]

    async def answer(self, question: str = "What did we spend?") -> m.Answer:
        end = await self.about(question)
        assert isinstance(end, m.AgentCompleted), end
        return end.answer

    @property
    def thoughts(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, m.AgentThinking)]


# --- what goes well ---------------------------------------------------------------------------------------------------


@in_virtual_time
async def test_it_uses_tools_and_answers_from_what_they_found() -> None:
    asked = Asked(calling("look_up", {"name": "spend"}, text="Let me look."), saying("You spent **$12.50**."))
    answer = await asked.answer()

    assert (answer.answered, answer.text) == (True, "You spent **$12.50**.")
    assert [each.id for each in answer.evidence] == ["e1"]
    assert asked.thoughts == ["Asking the language model", "Let me look.", "Asking the language model again"]
    first, second = asked.model.told
    assert [message["role"] for message in second] == ["system", "user", "assistant", "tool"]
    assert first == second[:2]
    assert second[3]["tool_call_id"] == second[2]["tool_calls"][0]["id"] == "c1"
    assert '"rows":[[12.5]]' in second[3]["content"]


@in_virtual_time
async def test_several_tools_at_once_are_used_in_order() -> None:
    two = Reply("", (Call("a", "look_up", '{"name": "x"}'), Call("b", "look_up", '{"name": "y"}')), "tool_calls")
    asked = Asked(two, saying("Twice **$12.50**."))
    answer = await asked.answer()
    assert [each.id for each in answer.evidence] == ["e1", "e2"]
    assert [message.get("tool_call_id") for message in asked.model.told[-1][-2:]] == ["a", "b"]
    used = [event.arguments for event in asked.events if isinstance(event, m.ToolExecuting)]
    assert used == [{"name": "x"}, {"name": "y"}]


@in_virtual_time
async def test_an_answer_without_numbers_needs_no_tool() -> None:
    asked = Asked(saying("Hello! Ask me about your spend."))
    assert (await asked.answer("hello")).text == "Hello! Ask me about your spend."
    assert asked.shelf.used == 0


@in_virtual_time
async def test_what_a_model_says_to_itself_is_no_answer() -> None:
    asked = Asked(LOOK, saying("<think>About $999,000?</think>\n\nYou spent $12.50."))
    assert (await asked.answer()).text == "You spent $12.50."


@in_virtual_time
async def test_it_is_told_the_end_of_the_conversation() -> None:
    model = RememberedModel([saying("Hello.")])
    async with rehearsing(Talker(model, Shelf().tools)) as asked:
        run = await asked.ask("q0 " + "x" * (2 * HISTORY_EACH))
        await run.end()
        for number in range(1, HISTORY_MESSAGES):
            run = await asked.ask(f"q{number}", thread_id=run.accepted.thread_id)
            await run.end()
            if number == 1:
                assert [message["role"] for message in model.told[-1]] == ["system", "user", "assistant", "user"]
                assert len(model.told[-1][1]["content"]) == HISTORY_EACH
    assert len(model.told[-1]) == HISTORY_MESSAGES + 2
    assert model.last_told == f"q{HISTORY_MESSAGES - 1}"


# --- numbers that nothing proves --------------------------------------------------------------------------------------


@in_virtual_time
async def test_a_number_that_does_not_trace_is_the_models_to_mend() -> None:
    asked = Asked(LOOK, saying("You spent **$99.75**."), saying("You spent **$12.50**."))
    answer = await asked.answer()
    assert answer.text == "You spent **$12.50**."
    assert "`$99.75`" in asked.model.last_told
    assert not any("99.75" in str(event) for event in asked.events)


@pytest.mark.parametrize(
    "replies",
    [
        pytest.param([saying("You spent $99.75.")], id="answers"),
        pytest.param([saying("Sum: $25.00.\n\nFine.")], id="sums of its own"),
        pytest.param([calling("decline", {"reason": "no_rows", "explanation": "Only $99.75."})], id="declines"),
        pytest.param(
            [calling("decline", {"reason": "no_rows", "explanation": "Hm.", "missing": ["4711"]})], id="lists"
        ),
    ],
)
@in_virtual_time
async def test_a_model_that_insists_is_not_heard_and_the_run_does_not_fail(replies: Sequence[Reply]) -> None:
    asked = Asked(LOOK, *replies)
    answer = await asked.answer()
    assert (answer.answered, answer.reason) == (False, "not_supported")
    assert answer.text == "The model's answer had numbers that nothing in the data proves, so it is not shown."
    assert len(asked.model.told) == 1 + 1 + Limits().corrections
    assert not any(number in str(asked.events) for number in ("$99.75", "$25.00", "'4711'"))  # ids have digits, too


@in_virtual_time
async def test_a_number_in_its_thoughts_is_not_shown_either() -> None:
    asked = Asked(calling("look_up", text="It must be about $99.75."), saying("You spent $12.50."))
    await asked.answer()
    assert not any("99.75" in str(event) for event in asked.events)


@in_virtual_time
async def test_words_that_stand_for_an_answer_are_not_shown() -> None:
    asked = Asked(saying("Agent processed your message: hello"), saying("Hello."))
    assert (await asked.answer()).text == "Hello."
    assert "are none" in asked.model.last_told


# --- a model that does not come to an answer --------------------------------------------------------------------------


@in_virtual_time
async def test_a_model_that_only_ever_calls_tools_is_stopped() -> None:
    asked = Asked(*(calling("look_up", {"name": f"n{i}"}) for i in range(20)), turns=5)
    answer = await asked.answer()
    assert (answer.answered, answer.reason) == (False, "not_supported")
    assert "turns" in answer.text
    assert asked.model.allowed == [True, True, True, True, False], "in the last one it is told to answer"
    assert asked.shelf.used == 4


@in_virtual_time
async def test_tools_have_a_number_of_uses() -> None:
    many = Reply("", tuple(Call(f"c{i}", "look_up", f'{{"name": "n{i}"}}') for i in range(10)), "tool_calls")
    asked = Asked(many, saying("You spent $12.50."), tool_calls=3)
    assert (await asked.answer()).answered
    assert asked.shelf.used == 3
    assert "no tool call left" in asked.model.last_told
    assert asked.model.allowed == [True, False]


@in_virtual_time
async def test_the_same_call_again_is_not_made_again() -> None:
    again = calling("look_up", '{ "name" : "spend" }', call_id="c2")
    asked = Asked(LOOK, again, again, saying("You spent $12.50."))
    assert (await asked.answer()).answered
    assert asked.shelf.used == 1
    assert "before" in asked.model.last_told


@in_virtual_time
async def test_an_empty_answer_is_none() -> None:
    asked = Asked(saying(""), saying(" \n"), saying("<think>Hm"))
    answer = await asked.answer()
    assert (answer.answered, answer.text) == (False, "The model gave no answer.")
    assert len(asked.model.told) == 1 + Limits().corrections
    assert (await Asked(saying(""), saying("Hello.")).answer()).text == "Hello."


@in_virtual_time
async def test_an_answer_that_was_cut_is_asked_for_again_and_never_shown() -> None:
    asked = Asked(saying("A long story that was", finish="length"), saying("Short."))
    assert (await asked.answer()).text == "Short."
    assert "shorter" in asked.model.last_told

    answer = await Asked(saying("A long story that was", finish="length")).answer()
    assert (answer.answered, answer.text) == (
        False,
        "The model's answer was cut off before its end, so it is not shown.",
    )


@in_virtual_time
async def test_an_answer_that_a_filter_broke_off_is_asked_for_again_and_never_shown() -> None:
    asked = Asked(saying("It began well and", finish="content_filter"), saying("It is well."))
    assert (await asked.answer()).text == "It is well."
    assert "filter" in asked.model.last_told

    answer = await Asked(saying("It began well and", finish="content_filter")).answer()
    assert (answer.answered, answer.text) == (False, "The model's server broke its answer off, so it is not shown.")


@in_virtual_time
async def test_its_tokens_are_counted() -> None:
    asked = Asked(*(calling("look_up", {"name": f"n{i}"}) for i in range(20)), tokens=30)
    assert not (await asked.answer()).answered
    assert len(asked.model.told) == 3, "of twelve tokens each"


@in_virtual_time
async def test_its_tokens_are_estimated_where_the_server_does_not_count() -> None:
    silent = [Reply("", (Call("c", "look_up", f'{{"name": "n{i}"}}'),), "tool_calls") for i in range(20)]
    asked = Asked(*silent, tokens=500)
    assert not (await asked.answer()).answered
    assert 1 < len(asked.model.told) < 7
    assert asked.agent.dialogues[0].budget.counted == []


@in_virtual_time
async def test_its_time_is_bounded() -> None:
    asked = Asked(*(calling("look_up", {"name": f"n{i}"}) for i in range(20)), seconds=20.0, turns=100, tool_calls=100)
    began_at = trio.current_time()
    answer = await asked.answer()
    assert trio.current_time() - began_at == pytest.approx(Limits().seconds, abs=1)
    assert (answer.answered, answer.text) == (False, "The model came to no answer in the time it has.")


# --- calls that are wrong ---------------------------------------------------------------------------------------------


WRONG = [
    (calling("format_disk"), "there is no such tool; there are look_up"),
    (calling("look_up", '{"name": '), "not a JSON object"),
    (calling("look_up", '["spend"]'), "not a JSON object"),
    (calling("look_up", '{"name":' * 3000), "longer than 16 KiB"),
    (calling("look_up", '{"name":' * 2000), "not a JSON object"),
    (calling("look_up", {"name": "x" * MAX_ARGUMENT_BYTES}), "longer than 16 KiB"),
    (calling("look_up", '{"name": "sp', finish="length"), "shorter"),
    (calling("look_up", {"name": 7}), "an argument is wrong"),
    (calling("look_up", {"name": "nothing"}), "there is no such thing"),
    (calling("decline", {"reason": "because"}), "Invalid enum value"),
    (calling("decline", {"reason": "no_rows", "explanation": " "}), "empty"),
    (calling("decline", "no"), "Error"),
    (calling("decline", '{"x":' * 3000), "Error"),
]


@in_virtual_time
async def test_what_is_wrong_with_a_call_is_told_and_ends_nothing() -> None:
    asked = Asked(*(reply for reply, _ in WRONG), saying("I could not."), turns=20)
    assert (await asked.answer()).text == "I could not."
    for (_, told), conversation in zip(WRONG, asked.model.told[1:], strict=True):
        assert told in conversation[-1]["content"]
        assert [message["role"] for message in conversation[-2:]] == ["assistant", "tool"]


@in_virtual_time
async def test_a_tool_that_breaks_says_nothing_of_how() -> None:
    asked = Asked(LOOK, saying("I could not."), shelf=Shelf(failing=True))
    assert (await asked.answer()).answered
    assert asked.model.last_told == "The tool failed with these arguments."
    assert [event.status for event in asked.events if isinstance(event, m.ToolCompleted)] == ["error"]


@in_virtual_time
async def test_broken_arguments_are_not_sent_back() -> None:
    """There are servers that refuse a conversation with arguments that are no JSON."""
    asked = Asked(calling("look_up", '{"name": '), saying("I could not."))
    await asked.answer()
    assert asked.model.told[-1][-2]["tool_calls"][0]["function"]["arguments"] == "{}"


# --- an honest no -----------------------------------------------------------------------------------------------------


@in_virtual_time
async def test_it_may_decline() -> None:
    decline = {"reason": "no_such_column", "explanation": "There is no column of teams.", "missing": ["team"]}
    answer = await Asked(LOOK, calling("decline", decline)).answer("spend by team")
    assert (answer.answered, answer.reason, answer.missing) == (False, "no_such_column", ["team"])
    assert answer.text == "There is no column of teams."


# --- tools of others --------------------------------------------------------------------------------------------------


async def echo(arguments: dict[str, Any]) -> ToolResult:
    await trio.lowlevel.checkpoint()
    return ToolResult({"text": arguments["text"]}, "said")


@in_virtual_time
async def test_a_tool_of_a_server_is_called_by_a_name_that_apis_take() -> None:
    schema = {"type": "object", "properties": {"text": {"type": "string"}}}
    tool = Tool("shop.echo", "Says a text.", dict[str, Any], echo, arguments_schema=schema)
    function = {"name": "shop__echo", "description": "Says a text.", "parameters": schema}
    assert functions_of([tool])[0]["function"] == function
    model = RememberedModel([calling("shop__echo", {"text": "hello"}), saying("It said hello.")])
    events = await run_agent(Talker(model, ToolRegistry([tool])), "What does it say?")
    assert [event.tool for event in events if isinstance(event, m.ToolExecuting)] == ["shop.echo"]
    assert "hello" in model.last_told
