"""What a failure means, and what each caller is told of it (guarantees.md, 8 and 12)."""

from __future__ import annotations

import pytest
import trio
from initialization_scenes import shop

from chatcore.errors import ConfigurationError, ErrorCode
from chatcore.initialization.attempt import Attempt, Failure, InitializationPolicy
from chatcore.initialization.host import StartTimedOut
from chatcore.observability import leaves
from chatcore.settings import Settings
from chatcore.testing import in_virtual_time

[DATABASE, *_] = shop().graph.services

CONFIGURATION = ConfigurationError("database_url", "is no address")


@pytest.mark.parametrize(
    ("error", "code", "retryable", "outcome"),
    [
        (None, ErrorCode.SERVICE_INIT_FAILED, True, "failed"),
        (OSError("away"), ErrorCode.SERVICE_INIT_FAILED, True, "failed"),
        (StartTimedOut(), ErrorCode.SERVICE_INIT_TIMEOUT, True, "timed_out"),
        (CONFIGURATION, ErrorCode.SERVICE_INIT_FAILED, False, "failed"),
        (ExceptionGroup("", [OSError(), ExceptionGroup("", [CONFIGURATION])]), "SERVICE_INIT_FAILED", False, "failed"),
        (ExceptionGroup("", [OSError(), StartTimedOut()]), ErrorCode.SERVICE_INIT_FAILED, True, "failed"),
    ],
)
def test_what_an_exception_in_a_start_means(
    error: BaseException | None, code: str, retryable: bool, outcome: str
) -> None:
    failure = Failure.from_error(error, DATABASE)
    assert (failure.error_code, failure.retryable, failure.outcome) == (code, retryable, outcome)
    assert failure.cause is error
    assert failure.service is DATABASE


def test_the_leaves_of_a_group_however_deep() -> None:
    one, two, three = OSError(), ValueError(), KeyError()
    group = ExceptionGroup("", [one, ExceptionGroup("", [two, ExceptionGroup("", [three])])])
    assert list(leaves(group)) == [one, two, three]
    assert list(leaves(one)) == [one]


def test_each_caller_gets_an_exception_of_its_own() -> None:
    failure = Failure(
        error_code=ErrorCode.SERVICE_INIT_FAILED,
        service=DATABASE,
        attempt=3,
        elapsed_seconds=1.5,
        unfinished=("agent", "database"),
    )
    first, second = failure.for_one_caller(2.0), failure.for_one_caller(3.0)
    assert first is not second
    assert (first.retry_after_seconds, second.retry_after_seconds) == (2.0, 3.0)
    assert (first.service, first.phase, first.attempt, first.elapsed_seconds) == ("database", "database", 3, 1.5)
    assert first.unfinished == ("agent", "database")


def test_a_failure_of_no_single_service_names_none() -> None:
    told = Failure(error_code=ErrorCode.SERVICE_INIT_TIMEOUT).for_one_caller(1.0)
    assert (told.service, told.phase) == (None, None)


def test_where_trying_again_cannot_help_no_time_is_told() -> None:
    told = Failure.from_error(CONFIGURATION, DATABASE).for_one_caller(2.0)
    assert (told.retryable, told.retry_after_seconds) == (False, None)


def test_the_policy_that_settings_ask_for() -> None:
    policy = InitializationPolicy.of(Settings(init_timeout_seconds=12.0, max_waiting=7))
    assert (policy.limit_seconds, policy.max_waiting, policy.when_all_leave) == (12.0, 7, "finish")


@in_virtual_time
async def test_an_attempt_waits_only_for_what_it_starts_itself() -> None:
    attempt = Attempt(1, frozenset({"cache", "agent"}))
    await attempt.all_up(["database"])
    attempt.up["cache"].set()
    await attempt.all_up(["database", "cache"])
    with trio.move_on_after(5) as scope:
        await attempt.all_up(["cache", "agent"])
    assert scope.cancelled_caught


@pytest.mark.parametrize("failure", [None, Failure(error_code=ErrorCode.SERVICE_INIT_TIMEOUT)])
@in_virtual_time
async def test_an_attempt_that_comes_to_nothing_cancels_what_it_starts(failure: Failure | None) -> None:
    attempt = Attempt(1, frozenset())
    with attempt.scope:
        attempt.end(failure)
        await trio.sleep_forever()
    assert (attempt.over, attempt.failure) == (True, failure)
