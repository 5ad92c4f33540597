"""Settings: where they come from, which wins, and what a wrong one is told."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest

from chatcore.errors import ConfigurationError
from chatcore.settings import Settings, load_settings


def test_each_source_wins_over_the_one_before(tmp_path: Path) -> None:
    config = tmp_path / "chatcore.toml"
    config.write_text('bind = "127.0.0.1:1"\nmax_waiting = 1\ndrain_seconds = 1\n')
    environ = {"CHATCORE_MAX_WAITING": "2", "CHATCORE_DRAIN_SECONDS": "2"}
    settings = load_settings({"drain_seconds": 3.0, "app": None}, environ=environ, config=config)
    assert (settings.bind, settings.max_waiting, settings.drain_seconds) == ("127.0.0.1:1", 2, 3.0)
    assert settings.ping_seconds == Settings().ping_seconds


def test_the_environment_names_the_file(tmp_path: Path) -> None:
    config = tmp_path / "chatcore.toml"
    config.write_text('data = ["a.csv", "b.csv"]\nlazy = false\n')
    settings = load_settings(environ={"CHATCORE_CONFIG": str(config)})
    assert settings.data == ("a.csv", "b.csv")
    assert settings.prewarm


def test_lists_of_the_environment_are_separated_by_commas() -> None:
    environ = {"CHATCORE_ALLOWED_ORIGINS": "https://a.example, https://b.example,"}
    assert load_settings(environ=environ).allowed_origins == ("https://a.example", "https://b.example")


@pytest.mark.parametrize(
    ("environ", "field", "told"),
    [
        ({"CHATCORE_INIT_TIMOUT_SECONDS": "3"}, "CHATCORE_INIT_TIMOUT_SECONDS", "CHATCORE_INIT_TIMEOUT_SECONDS"),
        ({"CHATCORE_MAX_WAITING": "many"}, "CHATCORE_MAX_WAITING", "a whole number"),
        ({"CHATCORE_PREWARM": "perhaps"}, "CHATCORE_PREWARM", "true or false"),
        ({"CHATCORE_AUTH": "trust"}, "CHATCORE_AUTH", "`none` or `jwt`"),
        ({"CHATCORE_DRAIN_SECONDS": "-1"}, "CHATCORE_DRAIN_SECONDS", "at least"),
        ({"CHATCORE_INIT_TIMEOUT_SECONDS": "soon"}, "CHATCORE_INIT_TIMEOUT_SECONDS", "a number"),
        ({"CHATCORE_BIND": "8000"}, "bind", "HOST:PORT"),
        ({"CHATCORE_BIND": "127.0.0.1:70000"}, "bind", "HOST:PORT"),
    ],
)
def test_a_wrong_value_is_told_what_would_be_right(environ: dict[str, str], field: str, told: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        load_settings(environ=environ)
    assert raised.value.field == field
    assert told in str(raised.value)


def test_an_unknown_key_of_the_file_is_named_with_the_nearest_known_one(tmp_path: Path) -> None:
    config = tmp_path / "chatcore.toml"
    config.write_text("drain_second = 1\n")
    with pytest.raises(ConfigurationError, match="drain_second: is not a setting; did you mean drain_seconds"):
        load_settings(environ={}, config=config)


@pytest.mark.parametrize("content", [b"bind = ", b"\xff\xfe"])
def test_a_broken_file_is_told(tmp_path: Path, content: bytes) -> None:
    config = tmp_path / "chatcore.toml"
    config.write_bytes(content)
    with pytest.raises(ConfigurationError, match="not valid TOML"):
        load_settings(environ={}, config=config)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_settings(environ={}, config=tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("bind", "host", "port"),
    [("127.0.0.1:8000", "127.0.0.1", 8000), ("[::1]:0", "::1", 0), ("localhost:80", "localhost", 80)],
)
def test_bind_has_a_host_and_a_port(bind: str, host: str, port: int) -> None:
    settings = load_settings({"bind": bind}, environ={})
    assert (settings.host, settings.port) == (host, port)


def test_secrets_are_not_shown() -> None:
    shown = repr(
        Settings(jwt_secret="s1", llm_api_key="s2", database_url="postgresql://u:s3@h/d", redis_url="redis://:s4@h")
    )
    assert not [secret for secret in ("s1", "s2", "s3", "s4") if secret in shown]


def test_every_key_is_documented_and_frozen() -> None:
    assert all(key.metadata["doc"].endswith(".") for key in attrs.fields(Settings))
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        Settings().bind = "x"  # type: ignore[misc]
