"""The defects that are planted: textual patches of the sources, each with the tests that have to find it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs


@attrs.frozen
class Patch:
    """Replaces ``old``, which stands once in ``file``, by ``new``."""

    file: str
    old: str
    new: str


@attrs.frozen
class Mutant:
    """A planted defect, and the tests that have to find it.

    Args:
        name: what is broken.
        tests: nodes, without ``tests/`` and ``.py``: ``initialization/test_plan::test_all_faults``.
        patches: of the copy.
    """

    name: str
    tests: str
    patches: tuple[Patch, ...]


def mutant(name: str, tests: str, *patches: tuple[str, str, str]) -> Mutant:
    return Mutant(name, tests, tuple(Patch(*patch) for patch in patches))


MANAGER, STARTER, HOST, HOSTS = (f"initialization/{name}.py" for name in ("manager", "starter", "host", "hosts"))
BREAKER, PROGRESS, PLAN = (f"initialization/{name}.py" for name in ("breaker", "progress", "plan"))

BRIDGE, REPLAY = (f"delivery/{name}.py" for name in ("bridge", "replay"))
LIVE_RUN, SUPERVISOR = (f"agents/{name}.py" for name in ("live_run", "supervisor"))
QUERIES = "threads/queries.py"

HISTORIES = "histories/test_histories::test_every_history_is_as_promised"
"""Its first seeds, which it plays however slow the machine is, have to find the defect."""

JOINS = """\
        cohort = self.join()"""

PLANTED: Mapping[str, Sequence[Mutant]] = {
    "one start": [
        mutant(
            "no single flight: every caller starts services of its own",
            "initialization/test_single_flight::test_a_caller_that_joins_late_is_ready_with_the_others",
            (
                MANAGER,
                JOINS,
                """\
        if self._waiters.count:
            async with ServiceInitializationManager(self.services) as own:
                return await own.ensure_ready()
        cohort = self.join()""",
            ),
        ),
        mutant(
            "the first caller runs the attempt, and takes it along when it leaves",
            "initialization/test_single_flight::test_whoever_leaves_every_service_starts_once_and_the_others_are_ready_in_time",
            (
                MANAGER,
                JOINS,
                """\
        if self._state is State.IDLE:
            self._move(Happening.WANTED)
            self._breaker.begin(self._ledger.begin(self.plan.names, trio.current_time()))
            self._publish(await self._starter.run(self.plan.names))
            return await self.ensure_ready()
        cohort = self.join()""",
            ),
        ),
        mutant(
            "a lost wake-up: the event is replaced before it is set",
            "initialization/test_time::test_whoever_waits_hears_something_within_two_seconds",
            (
                "initialization/feed.py",
                "        self._changed.set()\n        self._changed = trio.Event()",
                "        self._changed = trio.Event()\n        self._changed.set()",
            ),
        ),
        mutant(
            "who comes as the attempt is abandoned is overlooked",
            "initialization/test_outage::test_nobody_is_lost_who_comes_in_the_very_step_in_which_it_is_abandoned",
            (STARTER, "abandon_grace_seconds):", "abandon_grace_seconds) as grace:"),
            (STARTER, "if self.waiters.count == 0:  # not whether", "if grace.cancelled_caught:  # not whether"),
        ),
        mutant(
            "waiters are told after the rollback",
            "initialization/test_single_flight::test_a_caller_that_comes_during_a_slow_rollback_waits_for_the_next_attempt",
            (STARTER, "        self.came_to_nothing(attempt)\n", ""),
            (
                MANAGER,
                "                await self._keep_up()\n            await self._stop(self.plan.names)\n",
                """\
                await self._keep_up()
            await self._stop(self.plan.names)
            if attempt.over:
                self._came_to_nothing(attempt)
""",
            ),
        ),
        mutant(
            "waiters are told when the cancelled attempt has let go",
            "initialization/test_single_flight::test_a_failure_is_told_before_whatever_the_attempt_awaited_lets_go",
            (STARTER, "        self.came_to_nothing(attempt)\n", ""),
            (
                STARTER,
                "                self._fail(attempt, host.failure, host.service)\n        return attempt\n",
                """\
                self._fail(attempt, host.failure, host.service)
        if attempt.over:
            self.came_to_nothing(attempt)
        return attempt
""",
            ),
        ),
        mutant(
            "all waiters raise one and the same exception",
            "initialization/test_single_flight::test_every_waiter_has_an_exception_of_its_own_no_deeper_for_the_others",
            (
                "initialization/waiters.py",
                "            raise failure.for_one_caller(retry_after_seconds) from failure.cause\n",
                """\
            own = failure.for_one_caller(retry_after_seconds)
            raise _SHARED.setdefault(id(failure), own) from failure.cause
""",
            ),
            (
                "initialization/waiters.py",
                "@attrs.define(eq=False)\nclass Cohort:",
                "_SHARED: dict[int, Exception] = {}\n\n\n@attrs.define(eq=False)\nclass Cohort:",
            ),
        ),
        mutant(
            "a starting service may wait for itself",
            "initialization/test_owner::test_a_starting_service_that_waits_for_its_own_start_is_told_so_at_once",
            (
                HOST,
                "return host.service.name if host is not None and not host.settled.is_set() else None",
                "return None",
            ),
        ),
        mutant(
            "a generation is published with a service that has just died",
            "initialization/test_after_ready::test_a_generation_is_whole_whenever_a_service_dies",
            (STARTER, "if not attempt.over and not host.alive:", "if not attempt.over and not host.settled.is_set():"),
        ),
    ],
    "rollback": [
        mutant(
            "no rollback: what came up before the failure is left running",
            "initialization/test_rollback::test_a_fault_at_any_moment_of_a_start_is_rolled_back_and_told",
            (
                MANAGER,
                "                await self._keep_up()\n            await self._stop(self.plan.names)\n",
                "                await self._keep_up()\n",
            ),
        ),
        mutant(
            "no rollback of the part that was starting when another failed",
            "initialization/test_rollback::test_a_fault_at_any_moment_of_a_start_is_rolled_back_and_told",
            (HOST, "        if not self._entered:\n            self._scope.cancel()\n", ""),
        ),
        mutant(
            "services are stopped in the order of their start",
            "initialization/test_rollback::test_services_of_an_undisturbed_life_leave_in_reverse_order",
            (HOSTS, "for name in reversed(self._hosts) if name in names", "for name in self._hosts if name in names"),
        ),
        mutant(
            "a cancelled tree takes the services down in any order",
            "initialization/test_rollback::test_an_end_at_any_moment_of_a_start_leaves_nothing_behind",
            (HOST, "trio.CancelScope(shield=True)", "trio.CancelScope(shield=False)"),
        ),
        mutant(
            "exits are given no time",
            "initialization/test_owner::test_closing_may_be_asked_by_many_and_again_and_all_wait_for_the_first",
            (
                MANAGER,
                "return max(0.0, min(self.policy.exit_budget_seconds, self._close_by - trio.current_time()))",
                "return 0.0",
            ),
        ),
        mutant(
            "an exit that hangs is waited for",
            "initialization/test_rollback::test_every_exit_runs_although_one_goes_wrong",
            (HOST, "with trio.move_on_after(budget_seconds + ABANDON_SECONDS):", "with trio.move_on_after(1e9):"),
        ),
        mutant(
            "errors of exits are swallowed when the block fails",
            "initialization/test_rollback::test_errors_of_exits_come_beside_what_ended_the_block",
            (MANAGER, "            self._raise_exit_errors(raised)\n", ""),
        ),
        mutant(
            "a failed restart keeps starting what it had begun",
            "initialization/test_after_ready::test_a_failed_restart_is_rolled_back_at_once_and_tried_again_after_the_back_off",
            (
                MANAGER,
                "                await self._stop(down)\n                await self._until_retry()\n",
                "                await self._until_retry()\n",
            ),
        ),
    ],
    "time": [
        mutant(
            "the first notice ends the attempt",
            "initialization/test_time::test_crossing_a_notice_cancels_nothing",
            (
                STARTER,
                "            self.ledger.notices += 1\n",
                """\
            self.ledger.notices += 1
            self._end(attempt, Failure(error_code=ErrorCode.SERVICE_INIT_TIMEOUT))
""",
            ),
        ),
        mutant(
            "progress does not extend the limit",
            "initialization/test_ledger::test_progress_extends_the_limit_by_a_third_up_to_twice",
            (PROGRESS, "max(self.started_at + self.limit_seconds, extended)", "self.started_at + self.limit_seconds"),
        ),
        mutant(
            "the wall clock decides when an attempt ends",
            "initialization/test_time::test_notices_come_at_a_third_and_two_thirds_and_the_limit_ends_it",
            (STARTER, "Deadline(trio.current_time(),", 'Deadline(__import__("time").time(),'),
        ),
        mutant(
            "waiters hear nothing while nothing moves",
            "initialization/test_time::test_whoever_waits_hears_something_within_two_seconds",
            ("initialization/attempt.py", "pulse_seconds: float = 1.5", "pulse_seconds: float = 15.0"),
        ),
    ],
    "breaker": [
        mutant(
            "the breaker never half-opens by itself",
            "initialization/test_outage::test_the_probe_needs_no_caller_and_those_who_come_meanwhile_join_it",
            (
                MANAGER,
                "        if self._breaker.retry_at is not None:\n            await",
                "        if self._breaker.state is BreakerState.OPEN:\n            await trio.sleep_forever()\n"
                "        if self._breaker.retry_at is not None:\n            await",
            ),
        ),
        mutant(
            "the breaker opens after four failures",
            "initialization/test_breaker::test_three_failures_in_a_row_open_it",
            (BREAKER, "self.failures >= self.policy.failures_to_open", "self.failures > self.policy.failures_to_open"),
        ),
        mutant(
            "a late result of an older attempt moves the breaker",
            "initialization/test_breaker::test_a_late_or_second_result_moves_nothing",
            (BREAKER, "current = attempt == self._attempt", "current = True"),
        ),
        mutant(
            "jitter makes waits shorter, so that attempts are no longer bounded",
            "initialization/test_breaker::test_waits_double_up_to_the_longest_and_a_little_more",
            (BREAKER, "wait * (1 + self.jitter * random())", "wait * (1 - self.jitter * random())"),
        ),
        mutant(
            "one restart fewer than allowed",
            "initialization/test_breaker::test_the_window_ends_exactly_after_its_length",
            (BREAKER, "return len(self._times) <= self.most", "return len(self._times) < self.most"),
        ),
        mutant(
            "the restart window is one moment too long",
            "initialization/test_breaker::test_the_window_ends_exactly_after_its_length",
            (BREAKER, "while self._times[0] <= now - self.seconds:", "while self._times[0] < now - self.seconds:"),
        ),
    ],
    "progress": [
        mutant(
            "progress goes back when a service fails",
            "initialization/test_ledger::test_a_failed_service_takes_no_progress_back",
            (PROGRESS, "self._best = max(self._best, now)", "self._best = now"),
        ),
        mutant(
            "100 % before ready",
            "initialization/test_ledger::test_equal_weights_are_not_rounded_down_by_binary_fractions",
            (PROGRESS, "min(99, int(100 * done / total + _ROUNDING))", "int(100 * done / total + _ROUNDING)"),
        ),
        mutant(
            "steps that were conflated are not told",
            "initialization/test_waiting::test_every_step_that_was_conflated_is_told_in_order",
            ("session/waiting.py", "    if known and status.retries > known.retries:\n", "    if False:\n"),
        ),
        mutant(
            "an agent speaks before ready",
            "protocol/test_connection_table",
            (
                "protocol/connection.py",
                "        (State.WAITING, What.READY): State.READY,\n",
                """\
        (State.WAITING, What.READY): State.READY,
        (State.WAITING, What.RUN_EVENT): State.WAITING,
""",
            ),
        ),
    ],
    "after ready": [
        mutant(
            "a death takes the siblings along",
            "initialization/test_after_ready::test_a_death_restarts_the_service_and_its_dependents_and_nobody_else",
            (MANAGER, "down = self.plan.with_dependents(lost |", "down = self.plan.names | (lost |"),
        ),
        mutant(
            "the dependents of the lost go on with what is gone",
            "initialization/test_after_ready::test_a_death_restarts_the_service_and_its_dependents_and_nobody_else",
            (
                PLAN,
                "            if self.needs[service.name] & found:\n",
                "            if self.needs[service.name] & set():\n",
            ),
        ),
        mutant(
            "nobody notices a death",
            "initialization/test_after_ready::test_while_it_recovers_callers_wait_and_are_ready_with_the_next_generation",
            ("initialization/supervision.py", "    await host.lost()\n", "    await trio.sleep_forever()\n"),
        ),
        mutant(
            "a service is stopped while a run uses it",
            "initialization/test_after_ready::test_a_service_is_stopped_after_the_runs_that_use_it_have_ended",
            (
                MANAGER,
                "            await self._users.none_left(kinds)\n",
                "            await trio.lowlevel.checkpoint()\n",
            ),
        ),
        mutant(
            "a run begins with what was lost",
            "initialization/test_after_ready::test_a_run_that_begins_with_what_was_lost_is_cancelled_from_the_beginning",
            ("services.py", "            if self._withdrawn:\n                scope.cancel()\n", ""),
        ),
    ],
    "before anything": [
        mutant(
            "a circle of needs is found while it starts",
            "initialization/test_plan::test_a_circle_is_named_all_round",
            (PLAN, "    while circle := _circle(needs):\n", "    while circle := []:\n"),
        ),
        mutant(
            "a bucket holds one token more",
            "initialization/test_token_bucket::test_idleness_fills_it_up_to_its_burst_and_no_further",
            ("limits.py", "if self._tokens < 1.0 else", "if self._tokens < 0.0 else"),
        ),
    ],
    "storage": [
        mutant(
            "two servers have one database file",
            "threads/test_thread_database::test_one_at_a_time_has_the_file_alone",
            ("threads/sqlite.py", "        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)\n", "        pass\n"),
        ),
        mutant(
            "what was deleted stays in the log",
            "threads/test_thread_erasing::test_what_a_killed_process_had_deleted_is_gone_with_the_next_start",
            ("threads/sqlite.py", "wal_checkpoint(TRUNCATE)", "wal_checkpoint(PASSIVE)"),
        ),
        mutant(
            "copies of what was deleted stay in pages",
            "threads/test_thread_erasing::test_words_of_a_deleted_thread_are_in_no_file",
            ("threads/sqlite.py", '        cursor.execute("VACUUM")\n', "        pass\n"),
        ),
        mutant(
            "a stop soon after a deletion leaves copies of what was deleted",
            "threads/test_thread_erasing::test_what_was_deleted_just_before_an_end_is_erased_after_the_next_start",
            ("threads/sqlite.py", '"PRAGMA user_version = 1"', '"PRAGMA user_version = 0"'),
        ),
        mutant(
            "a thread is deleted for its age while it is being answered",
            "threads/test_thread_erasing::test_threads_are_deleted_when_nothing_has_happened_for_so_long",
            ("threads/schema.py", "and_(threads.c.updated_at < before, ~under_way)", "threads.c.updated_at < before"),
        ),
    ],
    "what each client hears": [
        mutant(
            "what was given of a replay that could not be finished is given again",
            "delivery/test_replay::test_what_cannot_be_read_after_the_announcement_is_not_given_twice",
            (
                REPLAY,
                "            watch.lapse()\n",
                "            self.bridge.forget(self.watcher, watch.thread_id)\n            raise\n",
            ),
        ),
        mutant(
            "a replay is announced before it is known whether it can be read",
            "delivery/test_replay::test_whichever_reading_fails_nothing_is_lost_repeated_or_promised_in_vain",
            (
                REPLAY,
                "        snapshot = None if complete else await self._snapshot(request.thread_id)\n"
                "        await self.room()\n"
                "        self._announce(request, thread, complete=complete)\n",
                "        await self.room()\n        self._announce(request, thread, complete=complete)\n"
                "        snapshot = None if complete else await self._snapshot(request.thread_id)\n",
            ),
        ),
        mutant(
            "a snapshot is of two moments",
            "threads/test_thread_service::test_a_snapshot_is_of_one_moment_whatever_is_written_meanwhile",
            (
                "threads/service.py",
                "        return await self._read(lambda queries: queries.snapshot(user_id, thread_id))\n",
                "        thread = await self.thread(user_id, thread_id)\n"
                "        return thread, (await self.messages(user_id, thread_id)).items\n",
            ),
        ),
        mutant(
            "the first live event after a replay is left out",
            "delivery/test_bridge::test_live_events_wait_for_the_replay_and_follow_it",
            (BRIDGE, "        for event in held:\n", "        for event in held[1:]:\n"),
        ),
        mutant(
            "the last event of a replay comes once more, live",
            HISTORIES,
            (BRIDGE, "if events[0].seq <= self.last_seq:", "if events[0].seq < self.last_seq:"),
        ),
        mutant(
            "a replay begins with the last event that is held",
            HISTORIES,
            (QUERIES, 'events.c.seq > bindparam("after")', 'events.c.seq >= bindparam("after")'),
        ),
        mutant(
            "a replay begins one event too late",
            HISTORIES,
            (QUERIES, 'events.c.seq > bindparam("after")', 'events.c.seq > bindparam("after") + 1'),
        ),
        mutant(
            "merged deltas are cut one part too late",
            "threads/test_deltas::test_cut_anywhere_it_gives_the_rest",
            ("threads/deltas.py", "known = after_seq + 1 - event.first_seq", "known = after_seq + 2 - event.first_seq"),
        ),
        mutant(
            "a resume is served whatever its epoch",
            "session/test_cancel_and_resume::test_what_cannot_be_continued_is_said_and_shown_as_it_is_now",
            (REPLAY, "request.epoch in (None, thread.epoch) and request.after_seq", "request.after_seq"),
        ),
        mutant(
            "a resume beyond the end is served as if it were right",
            "session/test_cancel_and_resume::test_what_cannot_be_continued_is_said_and_shown_as_it_is_now",
            (REPLAY, " and request.after_seq <= thread.last_seq", ""),
        ),
        mutant(
            "a frame that was under way when the server was cancelled is missing before the goodbye",
            "session/test_leaving::test_a_server_that_is_cancelled_says_nothing_more_where_a_frame_is_missing",
            ("transports/memory.py", "        self._broken = True\n", ""),
        ),
        mutant(
            "a frame that was under way when Hypercorn cancelled the server is missing before the goodbye",
            "transports/test_asgi_transport::test_a_send_that_was_cancelled_is_the_last",
            ("transports/asgi.py", "            self._torn = True\n", ""),
        ),
        mutant(
            "a watcher that fell behind is never caught up",
            "session/test_flood::test_a_watcher_that_pauses_is_caught_up_and_nobody_waits_for_it",
            ("session/voice.py", "        self.owe(thread_id)\n", "        return\n"),
        ),
        mutant(
            "an event is seen before it is stored",
            HISTORIES,
            (
                LIVE_RUN,
                "            self._refuse(None)\n            self.add(kind, **fields)\n",
                "            self._refuse(None)\n            self._publish([self.add(kind, **fields)])\n",
            ),
        ),
        mutant(
            "a message that is sent again starts a second run",
            HISTORIES,
            (
                SUPERVISOR,
                "        if not accepted.ended and not self.knows(accepted.run_id):\n",
                "        if not accepted.ended:\n",
            ),
        ),
        mutant(
            "a crash leaves a run without an end",
            "server/test_after_a_crash::test_any_other_run_ends_as_lost_and_what_waited_is_run",
            (
                "agents/recovery.py",
                "    await run.end(failure(ErrorCode.SERVICE_LOST))\n",
                "    await run.flush()\n",
            ),
        ),
        mutant(
            "a run that has ended is ended again after a restart",
            HISTORIES,
            (
                "threads/model.py",
                'OPEN_STATES: Final = ("waiting", "running")',
                'OPEN_STATES: Final = ("waiting", "running", "completed")',
            ),
            ("threads/commands.py", "        if state in ENDED_STATES:\n", "        if False:\n"),
            (
                "threads/statements.py",
                'runs.c.thread_id == bindparam("thread_id"), runs.c.ended_at.is_(None)',
                'runs.c.thread_id == bindparam("thread_id")',
            ),
        ),
        mutant(
            "numbers that a crash lost are used again",
            "server/test_after_a_crash::test_what_a_client_saw_and_the_crash_lost_is_inside_the_epoch",
            ("threads/commands.py", '"reserved": last + RESERVED_AHEAD', '"reserved": last'),
        ),
        mutant(
            "who holds the last number that a crash lost is not told where the text ends",
            "agents/test_live_run::test_who_holds_the_last_number_that_a_crash_lost_is_told_where_the_text_ends",
            (LIVE_RUN, "self.next_seq, reserved_seq + 1", "self.next_seq, reserved_seq"),
        ),
    ],
    "who hears it": [
        mutant(
            "anyone may watch any thread",
            "session/test_cancel_and_resume::test_a_thread_that_another_user_owns_is_not_found",
            (
                QUERIES,
                '_THREAD = _THREADS.where(threads.c.thread_id == bindparam("thread"))',
                '_THREAD = select(threads).where(threads.c.thread_id == bindparam("thread"))',
            ),
        ),
        mutant(
            "anyone may cancel any run",
            "session/test_cancel_and_resume::test_another_user_cannot_cancel_it",
            (
                SUPERVISOR,
                "        if pending is not None and pending.context.user_id == user_id:\n",
                "        if pending is not None:\n",
            ),
        ),
        mutant(
            "anyone may write to any thread",
            "threads/test_thread_service::test_nothing_of_one_user_reaches_another",
            (
                "threads/statements.py",
                'FIND_OWN_THREAD = FIND_THREAD.where(threads.c.user_id == bindparam("user_id"))',
                "FIND_OWN_THREAD = FIND_THREAD",
            ),
        ),
    ],
}
"""By what is broken."""

MUTANTS = [planted for group in PLANTED.values() for planted in group]

SAMPLE = [planted for group in PLANTED.values() for planted in group[::3]]
"""What the whole suite plays: some of each group, as each takes a process of its own. ``nox -s mutants`` plays all."""
