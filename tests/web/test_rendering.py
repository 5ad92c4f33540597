"""Markdown is rendered for one at a time, and users take turns."""

from __future__ import annotations

import trio
from trio.testing import wait_all_tasks_blocked

from chatcore.web.rendering import Renderer


async def test_users_take_turns_however_much_one_of_them_asks_for() -> None:
    renderer, done = Renderer(), list[str]()

    async def ask(user_id: str, text: str) -> None:
        (html,) = await renderer.render(user_id, [text], inline=True)
        done.append(f"{user_id} {html}")

    with trio.fail_after(60):
        async with trio.open_nursery() as nursery, renderer._thread:
            for number in range(3):
                nursery.start_soon(ask, "ann", f"*{number}*")
                await wait_all_tasks_blocked()
            nursery.start_soon(ask, "bob", "`x`")
            await wait_all_tasks_blocked()
    assert done == ["ann <em>0</em>", "bob <code>x</code>", "ann <em>1</em>", "ann <em>2</em>"]
    assert not renderer._users, "nobody is remembered"


async def test_who_leaves_meanwhile_is_in_nobodys_way() -> None:
    renderer = Renderer()
    with trio.fail_after(60):
        async with renderer._thread:
            with trio.move_on_after(0.01):
                await renderer.render("ann", ["x"], inline=True)
        assert await renderer.render("ann", ["x"], inline=True) == ["x"]
