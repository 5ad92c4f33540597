"""The evidence of an answer over HTTP: charts and files, for the user of its run alone."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import attrs
import pytest
from asgi_client import HttpClient, ask, ended, shop

from chatcore.protocol.messages import Answer, Evidence
from chatcore.testing.agents import Reply, Say, UseTool

MONTHS = [["2025-01", 5.0, "=HYPERLINK(1)"], ["2025-03", 7.5, None]]


def item(name: str, columns: list[str], rows: list[list[object]]) -> Evidence:
    return Evidence(
        id=name,
        tool="find",
        query="SELECT 1",
        parameters={},
        columns=columns,
        rows=rows,
        row_count=len(rows),
        sha256="0" * 64,
        data_version="1",
    )


EVIDENCE = [item("q1", ["step", "spend", "note"], [*MONTHS]), item("total", ["spend"], [[12.5]])]
STEPS = (UseTool("find", evidence=EVIDENCE), Reply(Answer(text="See the rows.", evidence=EVIDENCE)))


async def answered(client: HttpClient) -> str:
    """The path of the evidence of a run that has ended."""
    posted = await ask(client)
    await ended(client, posted["thread_id"])
    return f"/api/runs/{posted['run_id']}/evidence"


async def test_an_answer_says_what_of_it_is_worth_looking_at(tmp_path: Path) -> None:
    async with shop(tmp_path, *STEPS) as client:
        reply = await client.get(await answered(client))
    assert reply.status == 200
    assert reply.json["foremost"] == "q1"
    first, second = reply.json["evidence"]
    assert first["chart"]["kind"] == "steps"
    assert first["chart"]["columns"] == ["step", "spend"]
    assert "2025-02" in first["chart"]["description"]
    assert second == {"id": "total", "row_count": 1, "chart": None}


async def test_a_chart_is_an_image_that_can_do_nothing(tmp_path: Path) -> None:
    async with shop(tmp_path, *STEPS) as client:
        path = await answered(client)
        reply = await client.get(f"{path}/q1.svg", query={"width": 320, "column": "spend"})
        none = await client.get(f"{path}/total.svg")
        faulty = await client.get(f"{path}/q1.svg", query={"width": "wide"})
    assert reply.status == 200
    assert reply.headers["content-type"] == "image/svg+xml; charset=utf-8"
    assert reply.headers["content-security-policy"] == "default-src 'none'; style-src 'unsafe-inline'"
    assert (reply.headers["x-content-type-options"], reply.headers["cache-control"]) == ("nosniff", "no-store")
    assert ET.fromstring(reply.body).get("width") == "320"
    assert (none.status, none.code) == (404, "None")
    assert (faulty.status, faulty.code) == (400, "INVALID_MESSAGE")


async def test_rows_are_a_file_for_a_spreadsheet(tmp_path: Path) -> None:
    async with shop(tmp_path, *STEPS) as client:
        path = await answered(client)
        reply = await client.get(f"{path}/q1.csv")
    assert reply.status == 200
    assert reply.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    assert reply.headers["content-disposition"] == f'attachment; filename="{path.split("/")[3]}-q1.csv"'
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.body == b"step,spend,note\r\n2025-01,5.0,'=HYPERLINK(1)\r\n2025-03,7.5,\r\n"


@pytest.mark.parametrize("kind", ["", "/q1.svg", "/q1.csv"])
async def test_it_is_shown_to_the_user_of_the_run_alone(tmp_path: Path, kind: str) -> None:
    async with shop(tmp_path, *STEPS) as client:
        path = await answered(client)
        assert (await client.get(path + kind)).status == 200
        bob = await attrs.evolve(client, user_id="bob").get(path + kind)
        nobody = await client.get(f"/api/runs/nope/evidence{kind}")
    assert (bob.status, bob.code) == (nobody.status, nobody.code) == (404, "RUN_NOT_FOUND")
    assert bob.body == nobody.body


async def test_what_is_not_there_is_not_found(tmp_path: Path) -> None:
    async with shop(tmp_path, *STEPS) as client:
        path = await answered(client)
        for name in ("q2.svg", "q2.csv"):
            assert (await client.get(f"{path}/{name}")).status == 404
        assert (await client.get(f"{path}/q1.png")).code == "None"


async def test_a_run_without_an_answer_has_no_evidence(tmp_path: Path) -> None:
    async with shop(tmp_path, Say("Agent processed your message: hello")) as client:
        posted = await ask(client)
        await ended(client, posted["thread_id"])
        path = f"/api/runs/{posted['run_id']}/evidence"
        assert (await client.get(path)).json == {"evidence": [], "foremost": None}
        assert (await client.get(f"{path}/q1.csv")).status == 404


async def test_a_long_run_is_read_page_by_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chatcore.web.evidence.MAX_PAGE_ITEMS", 1)
    async with shop(tmp_path, *STEPS) as client:
        assert (await client.get(await answered(client))).json["foremost"] == "q1"
