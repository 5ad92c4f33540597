"""The server inside an ASGI server: started at once, refused in words, and never alive without its server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trio

from chatcore import asgi, servable
from chatcore import server as module
from chatcore.application import Application
from chatcore.errors import ConfigurationError
from chatcore.lifespan import SITE_KEY
from chatcore.servable import check_servable
from chatcore.settings import Settings
from chatcore.testing import Script, ScriptedServices
from scenes import application, two_services

Told = list[dict[str, Any]]
During = Callable[[dict[str, Any]], Awaitable[object]]


async def lived(app: Any, during: During | None = None, *, leave: bool = True) -> tuple[Told, dict[str, Any]]:
    """What a lifespan said, and its state; once it is up, something is done with it, and it is told to go."""
    told: Told = []
    state: dict[str, Any] = {}
    to_app, from_server = trio.open_memory_channel[dict[str, Any]](10)
    await to_app.send({"type": "lifespan.startup"})

    async def send(message: Any) -> None:
        told.append(message)
        if message["type"] == "lifespan.startup.complete":
            if during is not None:
                await during(state)
            if leave:
                await to_app.send({"type": "lifespan.shutdown"})

    with trio.fail_after(30):
        await app({"type": "lifespan", "state": state}, from_server.receive, send)
    return told, state


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment of its own."""
    monkeypatch.setenv("CHATCORE_DATABASE_URL", f"sqlite:///{tmp_path}/x.db")
    return monkeypatch


async def test_startup_is_answered_before_any_service_starts(settings: pytest.MonkeyPatch) -> None:
    services = ScriptedServices()
    services.add("slow", Script(seconds=3600))
    settings.setenv("CHATCORE_PREWARM", "true")
    began_at = trio.current_time()
    told, state = await lived(application(services))
    assert [message["type"] for message in told] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert trio.current_time() - began_at < 10
    assert SITE_KEY in state
    assert services.held == set()


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("CHATCORE_AUTH", "jwt", "auth: "),
        ("CHATCORE_REDIS_URL", "redis://x", "redis_url: "),
        ("CHATCORE_DATABASE_URL", "postgresql://ann:secret@host/db", "database_url: "),
        ("CHATCORE_INIT_TIMEOUT", "3", "did you mean CHATCORE_INIT_TIMEOUT_SECONDS?"),
        ("CHATCORE_DRAIN_SECONDS", "0", "must be at least"),
    ],
)
async def test_settings_that_cannot_be_served_are_refused_in_words(
    settings: pytest.MonkeyPatch, name: str, value: str, words: str
) -> None:
    """Above all ``auth = jwt`` without keys: an application that ignored it would let everyone in as anyone."""
    settings.setenv(name, value)
    services = two_services(0)
    told, state = await lived(application(services))
    assert [message["type"] for message in told] == ["lifespan.startup.failed"]
    assert words in told[0]["message"]
    assert "ann:secret" not in told[0]["message"]
    assert state == {}
    assert services.names("entered") == []


async def test_an_application_that_cannot_be_found_is_named(settings: pytest.MonkeyPatch) -> None:
    settings.setenv("CHATCORE_APP", "no_such_module:app")
    told, _ = await lived(asgi.app)
    assert [message["type"] for message in told] == ["lifespan.startup.failed"]
    assert "module 'no_such_module' cannot be found" in told[0]["message"]


async def test_a_crash_is_told_without_its_words(settings: pytest.MonkeyPatch) -> None:
    async def crash(_: object) -> None:
        await trio.sleep(0.1)
        raise RuntimeError("postgres://ann:secret@host")

    settings.setattr(module, "_measure_lag", crash)
    told, _ = await lived(application(two_services(0)), leave=False)
    assert [message["type"] for message in told] == ["lifespan.startup.complete", "lifespan.shutdown.failed"]
    assert "RuntimeError" in told[1]["message"]
    assert "in crash" in told[1]["message"]
    assert "secret" not in told[1]["message"]


async def test_an_application_is_an_asgi_application(settings: pytest.MonkeyPatch) -> None:
    app: Application = application(two_services(0))
    replies: list[dict[str, Any]] = []

    async def answer(message: Any) -> None:
        replies.append(message)

    async def ask(state: dict[str, Any]) -> None:
        await app({"type": "http", "path": "/health/live", "state": state}, trio.sleep_forever, answer)

    await lived(app, ask)
    assert [reply.get("status") for reply in replies] == [200, None]


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        (Settings(auth="jwt"), "auth"),
        (Settings(auth="jwt", jwt_audience="chat"), "auth"),
        (Settings(auth="jwt", jwt_secret=""), "jwt_secret"),
        (Settings(auth="jwt", jwt_secret="x" * 31), "jwt_secret"),
        (Settings(auth="jwt", jwt_secret="-----BEGIN PUBLIC KEY-----" + "x" * 99), "jwt_secret"),
        (Settings(auth="jwt", jwks="nowhere.json"), "jwks"),
        (Settings(auth="jwt", jwks="https://"), "jwks"),
        (Settings(auth="jwt", jwks="ftp://host/keys"), "jwks"),
        (Settings(jwt_secret="x" * 32), "auth"),
        (Settings(jwks="https://issuer.example/keys"), "auth"),
        (Settings(signin="nowhere.js"), "signin"),
        (Settings(bind="0.0.0.0:8000"), "bind"),
        (Settings(bind="[::]:8000"), "bind"),
        (Settings(redis_url="redis://x"), "redis_url"),
        (Settings(workers=2), "workers"),
        (Settings(llm_base_url="http://x"), "llm_base_url"),
        (Settings(llm_model="m", llm_prompt_price=1.0), "llm_completion_price"),
        (Settings(llm_base_url="localhost:8080", llm_model="m"), "llm_base_url"),
        (Settings(llm_base_url="http://", llm_model="m"), "llm_base_url"),
        (Settings(database_url="postgresql://ann:secret@host/db"), "database_url"),
        (Settings(database_url="sqlite:////nowhere/at/all.db"), "database_url"),
    ],
)
def test_what_this_version_cannot_serve_is_named(settings: Settings, field: str) -> None:
    with pytest.raises(ConfigurationError) as wrong:
        check_servable(settings)
    assert wrong.value.field == field
    assert wrong.value.remedy
    assert "ann:secret" not in str(wrong.value)


@pytest.mark.parametrize(
    "keys",
    [{"jwt_secret": "x" * 32}, {"jwks": "https://issuer.example/keys"}, {"jwks": __file__, "jwt_secret": "x" * 32}],
)
@pytest.mark.parametrize("bind", ["127.0.0.1:8000", "0.0.0.0:8000", "[::]:0", "chat.example:80"])
def test_with_tokens_any_address_may_be_served(keys: dict[str, Any], bind: str, tmp_path: Path) -> None:
    check_servable(Settings(auth="jwt", bind=bind, database_url=f"sqlite:///{tmp_path}/c.db", **keys))


@pytest.mark.parametrize(
    ("keys", "missing"),
    [({"jwt_secret": "x" * 32}, "joserfc,"), ({"jwks": "https://issuer.example/keys"}, "joserfc and httpx2,")],
)
def test_the_extra_that_tokens_need_is_named(
    keys: dict[str, Any], missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(servable, "find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match=rf"auth: `jwt` needs {missing} .* chatcore\[jwt\]"):
        check_servable(Settings(auth="jwt", **keys))


@pytest.mark.parametrize("bind", ["127.0.0.1:0", "localhost:8000", "[::1]:8000"])
def test_loopback_addresses_are_served(bind: str, tmp_path: Path) -> None:
    check_servable(Settings(bind=bind, database_url=f"sqlite:///{tmp_path}/x.db"))
