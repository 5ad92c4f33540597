"""The catalogue says of every code what a receiver needs; no error lets an exception's own words out."""

from __future__ import annotations

import traceback
from fractions import Fraction

import pytest
import trio

from chatcore.context import UserExecutionContext, require_context
from chatcore.errors import CATALOGUE, CloseCode, ConfigurationError, ContextRequired, ErrorCode
from chatcore.observability import describe_error, leaves, without_credentials


def test_the_catalogue_is_complete() -> None:
    assert set(CATALOGUE) == set(ErrorCode)
    for code in ErrorCode:
        assert code.meaning.message
        assert 400 <= code.meaning.http_status < 600


@pytest.mark.parametrize(
    ("code", "close"),
    [
        (ErrorCode.SERVICE_INIT_FAILED, 1011),
        (ErrorCode.SERVICE_INIT_TIMEOUT, 1013),
        (ErrorCode.SERVICES_UNAVAILABLE, 1013),
        (ErrorCode.TOO_MANY_WAITING, 1013),
        (ErrorCode.MESSAGE_TOO_LARGE, 1009),
        (ErrorCode.CONNECTION_LIMIT, 1008),
        (ErrorCode.TOKEN_EXPIRED, 4401),
        (ErrorCode.SLOW_CONSUMER, 4413),
    ],
)
def test_codes_that_close_do_so_as_the_protocol_says(code: ErrorCode, close: int) -> None:
    assert code.meaning.close == close


def test_all_other_codes_leave_the_connection_open() -> None:
    assert {code for code in ErrorCode if code.meaning.close is None} == {
        ErrorCode.SERVICE_LOST,
        ErrorCode.INVALID_MESSAGE,
        ErrorCode.TOO_MANY_PENDING,
        ErrorCode.RATE_LIMITED,
        ErrorCode.THREAD_NOT_FOUND,
        ErrorCode.RUN_NOT_FOUND,
        ErrorCode.AGENT_NOT_FOUND,
        ErrorCode.STORAGE_UNAVAILABLE,
        ErrorCode.INAUTHENTIC_RESPONSE,
        ErrorCode.AGENT_FAILED,
        ErrorCode.RUN_TIMEOUT,
        ErrorCode.MODEL_UNAVAILABLE,
    }


def test_a_close_code_alone_says_whether_to_come_back() -> None:
    assert {code for code in CloseCode if code.reconnect} == {1011, 1012, 1013, 4413}


def _raise_secret() -> None:
    raise ValueError("postgresql://user:hunter2@db/secret")


def _read_hunter() -> None:
    Fraction.from_float("hunter2")  # type: ignore[arg-type]  # to be refused


def test_a_described_error_has_its_place_and_not_its_words() -> None:
    with pytest.raises(ValueError, match="hunter2") as raised:
        _raise_secret()
    told = describe_error(ExceptionGroup("hunter2", [raised.value]))
    assert "hunter2" not in str(told)
    assert told["parts"][0]["error"] == "ValueError"
    assert "_raise_secret" in told["parts"][0]["where"]


def test_the_place_is_where_an_operator_looks() -> None:
    with pytest.raises(TypeError, match="Fraction") as raised:
        _read_hunter()
    assert traceback.extract_tb(raised.value.__traceback__)[-1].name != "_read_hunter", "a library raises it"
    assert str(describe_error(raised.value)["where"]).startswith("test_errors.py:")
    assert str(describe_error(raised.value)["where"]).endswith(" in _read_hunter")


def test_where_all_is_a_library_the_place_is_the_last() -> None:
    with pytest.raises(TypeError, match="Fraction") as raised:
        _read_hunter()
    error = raised.value
    while error.__traceback__ is not None and "test_errors" in error.__traceback__.tb_frame.f_code.co_filename:
        error.__traceback__ = error.__traceback__.tb_next
    assert str(describe_error(error)["where"]).startswith("fractions.py:")
    assert describe_error(TypeError("never raised"))["where"] is None


def test_a_configuration_error_keeps_its_words_without_credentials() -> None:
    error = ConfigurationError("database_url", "postgresql://user:hunter2@db/x is away")
    assert describe_error(error)["fault"] == "database_url: postgresql://***@db/x is away"
    assert without_credentials("no url at all") == "no url at all"


def test_leaves_of_nested_groups() -> None:
    inner, outer = ValueError(), TypeError()
    group = ExceptionGroup("", [ExceptionGroup("", [inner]), outer])
    assert list(leaves(group)) == [inner, outer]


def test_a_context_cannot_be_made_at_import() -> None:
    with pytest.raises(ContextRequired, match="never at import"):
        UserExecutionContext(user_id="u")


async def test_what_needs_a_context_says_so() -> None:
    await trio.lowlevel.checkpoint()
    context = UserExecutionContext(user_id="u")
    assert require_context(context, "Session") is context
    with pytest.raises(ContextRequired, match="Session belongs to one request"):
        require_context(None, "Session")
