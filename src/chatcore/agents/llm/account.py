"""What asking a model took, as evidence: an answer may name these numbers as it names any other."""

from __future__ import annotations

import hashlib
import json

from chatcore.agents.base import Run
from chatcore.agents.llm.budget import Budget
from chatcore.protocol.messages import Evidence

MODEL_USAGE = "model_usage"

_QUERY = (
    "SELECT $model AS model, CAST($turns AS BIGINT) AS turns, CAST($prompt_tokens AS BIGINT) AS prompt_tokens, "
    "CAST($completion_tokens AS BIGINT) AS completion_tokens"
)
"""What the server counted is in no table: the query says it again, so that it can be run like any other."""


async def account_for(run: Run, model: str, budget: Budget, data_version: str) -> Evidence | None:
    """Show what the model took as the result of a tool; None where its server does not count.

    Args:
        run: that is told.
        model: its name.
        budget: of the dialogue, after it.
        data_version: of the data that the answer is about.
    """
    evidence = usage_evidence(model, budget, data_version)
    if evidence is not None:
        async with run.tool(MODEL_USAGE, model=model) as call:
            call.summary = cost_line(evidence)
            call.evidence.append(evidence)
    return evidence


def usage_evidence(model: str, budget: Budget, data_version: str) -> Evidence | None:
    """What the server counted, as a row; None where it did not."""
    if budget.usage is None:
        return None
    parameters = {
        "model": model,
        "turns": budget.turns,
        "prompt_tokens": budget.usage.prompt_tokens,
        "completion_tokens": budget.usage.completion_tokens,
    }
    rows = [list(parameters.values())]
    text = json.dumps(rows, ensure_ascii=False, separators=(",", ":"))
    return Evidence(
        id=MODEL_USAGE,
        tool=MODEL_USAGE,
        query=_QUERY,
        parameters=parameters,
        columns=list(parameters),
        rows=rows,
        row_count=1,
        sha256=hashlib.sha256(text.encode()).hexdigest(),
        data_version=data_version,
    )


def cost_line(evidence: Evidence) -> str:
    """What the model took, in a sentence of its cells."""
    model, turns, prompt, completion = evidence.rows[0]
    times = "turn" if turns == 1 else "turns"
    return f"`{str(model).replace('`', '')}` took {turns} {times}, {prompt:,} tokens in and {completion:,} tokens out."
