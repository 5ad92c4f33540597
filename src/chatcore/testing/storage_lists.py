"""What every storage of threads keeps to in its lists: their order, their pages, and what is found in them."""

from __future__ import annotations

import attrs

from chatcore.errors import ErrorCode, InvalidMessage, RequestRefused
from chatcore.testing.storage_samples import ANN, BOB, answered, message, refused, walk
from chatcore.testing.storage_suite import StorageSuite


class ListsConformance(StorageSuite):
    """Threads, their search and their titles, and the messages of one."""

    async def test_threads_come_newest_first_in_pages(self) -> None:
        """Each once, however they are paged, though more come meanwhile; a cursor of another list is refused."""
        async with self._storage() as threads:
            made = [await threads.create_thread(ANN, f"Thread {number}") for number in range(5)]
            page = await threads.threads(ANN, limit=2)
            await threads.create_thread(ANN, "One more")
            found = [*page.items, *await walk(lambda at: threads.threads(ANN, limit=2, cursor=at), page.next)]
            assert found == made[::-1], f"the threads are {[thread.title for thread in found]}"
            with refused("a cursor of another list", InvalidMessage):
                await threads.messages(ANN, made[0].thread_id, cursor=page.next)

    async def test_threads_come_with_the_newest_message_first(self) -> None:
        """Those without a message last; in pages too, whose cursors are of this order and query alone."""
        async with self._storage() as threads:
            empty = [await threads.create_thread(ANN) for _ in range(2)]
            talks = [await threads.accept_message(ANN, message(f"m{number}"), "analyst") for number in range(3)]
            await threads.accept_message(ANN, message("m3", "Once more?", talks[0].thread_id), "analyst")
            page = await threads.threads(ANN, order="active", limit=2)
            rest = await walk(lambda at: threads.threads(ANN, order="active", limit=2, cursor=at), page.next)
            for other in ({"order": "created"}, {"order": "active", "query": "more"}):
                with refused("a cursor of another list", InvalidMessage):
                    await threads.threads(ANN, cursor=page.next, **other)  # type: ignore[arg-type]  # both are texts
        found = [thread.thread_id for thread in (*page.items, *rest)]
        expected = [talks[at].thread_id for at in (0, 2, 1)] + [empty[at].thread_id for at in (1, 0)]
        assert found == expected, f"the threads are {found}, not {expected}"

    async def test_threads_are_found_by_their_title_or_what_is_said_in_them(self) -> None:
        """In whatever case; a percent sign, an underscore and a backslash are themselves; nobody finds another's."""
        async with self._storage() as threads:
            titled = await threads.create_thread(ANN, "Größe in 100 % von a_b\\c")
            talk = await answered(threads, ANN, message("m1", "Was kostet ÄRGER?"))
            await threads.create_thread(ANN, "1000 of axb/c")
            await answered(threads, BOB, message("m2", "Was kostet Ärger?"))
            cases = {
                "GRÖ": [titled.thread_id],
                "100 %": [titled.thread_id],
                "A_B\\C": [titled.thread_id],
                "kostet ä": [talk.thread_id],
                "42": [talk.thread_id],  # the agent's words
                "%": [titled.thread_id],
                "_": [titled.thread_id],
                "nothing of it": [],
            }
            for query, expected in cases.items():
                found = [thread.thread_id for thread in (await threads.threads(ANN, query=query)).items]
                assert found == expected, f"{query!r} finds {found}, not {expected}"
            many = [await threads.create_thread(ANN, f"Many {number}") for number in range(5)]
            page = await threads.threads(ANN, query="MANY", limit=2)
            rest = await walk(lambda at: threads.threads(ANN, query="MANY", limit=2, cursor=at), page.next)
            paged = [*page.items, *rest]
            assert paged == many[::-1], f"a search in pages finds {[thread.title for thread in paged]}"
            with refused("a query that is too long", InvalidMessage):
                await threads.threads(ANN, query="x" * 201)

    async def test_a_renamed_thread_has_its_new_title(self) -> None:
        """And nothing else of it is another; a title that is none, and a stranger, are refused."""
        async with self._storage() as threads:
            before = await threads.create_thread(ANN, "Before")
            await threads.rename_thread(ANN, before.thread_id, "After 👩‍💻")
            after = await threads.thread(ANN, before.thread_id)
            for title in ("", "  ", "x" * 201, "two\nlines", "\0"):
                with refused(f"the title {title[:9]!r}", InvalidMessage):
                    await threads.rename_thread(ANN, before.thread_id, title)
            for title in ("x" * 201, "two\nlines", "\0"):
                with refused(f"a new thread with the title {title[:9]!r}", InvalidMessage):
                    await threads.create_thread(ANN, title)
            with refused("a stranger", RequestRefused, ErrorCode.THREAD_NOT_FOUND):
                await threads.rename_thread(BOB, before.thread_id, "Mine")
            assert await threads.thread(ANN, before.thread_id) == after, "a refused title was kept"
        assert after == attrs.evolve(before, title="After 👩‍💻"), f"it is another thread: {after}"

    async def test_messages_come_oldest_first_in_pages(self) -> None:
        """Each question before its answer."""
        async with self._storage() as threads:
            thread = await threads.create_thread(ANN)
            for number in range(3):
                await answered(threads, ANN, message(f"m{number}", f"Question {number}", thread.thread_id))
            page = await threads.messages(ANN, thread.thread_id, limit=2)
            rest = await walk(lambda at: threads.messages(ANN, thread.thread_id, limit=2, cursor=at), page.next)
        found = [message.content for message in (*page.items, *rest)]
        assert found == ["Question 0", "42", "Question 1", "42", "Question 2", "42"], f"the messages are {found}"
