"""The ``chatcore`` command. Each command imports what it needs when it runs, so that each starts at once."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import trio
from cyclopts import App, CycloptsError, Parameter

from chatcore.errors import ChatcoreError, ConfigurationError, ServiceGraphInvalid, StorageUnavailable
from chatcore.settings import Settings, load_settings

if TYPE_CHECKING:
    from chatcore.application import Application

EXIT_CODE_WRONG = 2
"""The command, the configuration or the graph is wrong; nothing was started. As argument parsers have it."""

EXIT_CODE_CRASHED = 1
"""The server ended by a defect of its own."""

DEFAULT_URL = "http://127.0.0.1:8000"

Data = Annotated[
    tuple[str, ...] | None,
    Parameter(
        consume_multiple=True, negative="", help="Files or folders (CSV, Parquet, JSON, JSON Lines), or `sample`."
    ),
]
MappingFile = Annotated[
    str | None, Parameter(help='A TOML file that says what columns mean: `[table]`, then `column = "meaning"`.')
]
Config = Annotated[Path | None, Parameter(help="A TOML file with settings.")]


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    sys.exit(run(sys.argv[1:] if argv is None else argv))


def run(argv: Sequence[str]) -> int:
    """Run one command.

    Returns:
        the exit code.
    """
    try:
        result = build_cli()(list(argv), exit_on_error=False, print_error=True)
    except CycloptsError:  # it has been printed
        return EXIT_CODE_WRONG
    except StorageUnavailable as error:
        why = ", ".join(getattr(error, "__notes__", ()))
        sys.stderr.write(f"chatcore: the database cannot be used now ({why})\n")
        return EXIT_CODE_WRONG
    except ChatcoreError as error:
        sys.stderr.write(f"chatcore: {error}\n")
        return EXIT_CODE_WRONG
    return int(result or 0)


def build_cli() -> App:
    """The commands."""
    from chatcore import __version__

    cli = App(name="chatcore", help="A chat server for AI agents that tells the truth.", version=__version__)
    cli.command(serve)
    cli.command(chat)
    cli.command(status)
    cli.command(check)
    cli.command(verify)
    cli.command(schema)
    database = App(name="db", help="The storage.")
    database.command(db_upgrade, name="upgrade")
    database.command(db_current, name="current")
    database.command(db_compact, name="compact")
    cli.command(database)
    return cli


def serve(
    app: str | None = None,
    /,
    *,
    bind: str | None = None,
    workers: int | None = None,
    prewarm: Annotated[bool | None, Parameter(negative="--lazy")] = None,
    data: Data = None,
    mapping: MappingFile = None,
    config: Config = None,
) -> int:
    """Serve an application, or the built-in analyst.

    Args:
        app: MODULE:ATTRIBUTE of a chatcore.Application; the built-in analyst where absent.
        bind: Address and port, 127.0.0.1:8000 unless set; port 0 takes any free one.
        workers: Worker processes.
        prewarm: Start the services with the process instead of with the first connection.
    """
    from chatcore.observability import describe_error, leaves
    from chatcore.serve import serve as serve_application

    settings = _settings(
        app=app, bind=bind, workers=workers, prewarm=prewarm, data=data, mapping=mapping, config=config
    )
    try:
        trio.run(serve_application, _application_of, settings, _announce)
    except BaseExceptionGroup as errors:
        if (wrong := errors.subgroup((ConfigurationError, ServiceGraphInvalid))) is not None:
            raise next(leaves(wrong)) from None
        sys.stderr.write(f"chatcore: the server ended by a defect: {describe_error(errors)}\n")
        return EXIT_CODE_CRASHED
    return 0


def chat(
    message: str | None = None,
    /,
    *,
    url: str = DEFAULT_URL,
    thread: str | None = None,
    user_id: str | None = None,
    token_file: Path | None = None,
) -> int:
    """Talk to an agent in the terminal; with MESSAGE, ask one question.

    Args:
        message: one question; its answer goes to standard output.
        url: http(s)://HOST:PORT or ws(s)://HOST:PORT[/ws].
        thread: the thread to go on with.
        user_id: who asks, on a server without authentication.
        token_file: a file with a bearer token, read again before each connection; a token among the arguments could
            be seen by everyone on the machine.
    """
    from chatcore.cli_chat import chat as converse
    from chatcore.cli_chat import token_from

    token = token_from(token_file) if token_file is not None else None
    return trio.run(converse, url, thread, message, user_id, token)


def status(*, url: str = DEFAULT_URL, json: bool = False) -> int:
    """Show readiness and the timeline of the start.

    Args:
        url: http(s)://HOST:PORT or ws(s)://HOST:PORT[/ws].
        json: Print the readiness as JSON.
    """
    from chatcore.cli_status import status as show

    return trio.run(show, url, json)


def check(app: str | None = None, /, *, data: Data = None, mapping: MappingFile = None, config: Config = None) -> int:
    """Validate the configuration, the data files and the service graph; start nothing.

    Args:
        app: MODULE:ATTRIBUTE of a chatcore.Application; the built-in analyst where absent.
    """
    from chatcore.builtin import application_of
    from chatcore.servable import check_servable

    settings = _settings(app=app, data=data, mapping=mapping, config=config)
    check_servable(settings)
    application = application_of(settings)
    for phase, members in application.plan.phases():
        for service in members:
            needs = ", ".join(sorted(application.plan.needs[service.name])) or "nothing"
            sys.stdout.write(f"{phase.label:<13} {service.name} ({service.label}), needs {needs}\n")
    sys.stdout.write(f"agents: {', '.join(application.agents)}; nothing is wrong\n")
    return 0


def verify(thread: str, /, *, data: Data = None, json: bool = False, config: Config = None) -> int:
    """Check a stored thread offline: its signed log, the evidence of its answers, and their numbers.

    Args:
        thread: The id of the thread.
        json: Print the report as JSON.

    The evidence is asked again of the data, each query as one SELECT in the locked database. The exit code is 0 only
    if all of it holds.
    """
    from chatcore.cli_verify import verify as show

    return trio.run(show, _settings(data=data, config=config), thread, json)


def schema() -> int:
    """Print the AsyncAPI document of the wire."""
    import msgspec

    from chatcore.protocol.asyncapi import asyncapi

    sys.stdout.write(msgspec.json.format(msgspec.json.encode(asyncapi()), indent=2).decode() + "\n")
    return 0


def db_upgrade(*, config: Config = None) -> int:
    """Bring the storage up to date."""
    from chatcore.threads.database import current_revision, upgrade_database

    settings = _settings(config=config)
    upgrade_database(settings.database_url)
    sys.stdout.write(f"{current_revision(settings.database_url)}\n")
    return 0


def db_compact(*, config: Config = None) -> int:
    """Write the storage anew, without any trace of what was deleted; while no server runs on it."""
    from chatcore.threads.database import compact_database

    compact_database(_settings(config=config).database_url)
    return 0


def db_current(*, config: Config = None) -> int:
    """Print the revision of the storage."""
    from chatcore.threads.database import current_revision

    sys.stdout.write(f"{current_revision(_settings(config=config).database_url)}\n")
    return 0


def _settings(*, config: Path | None = None, **flags: Any) -> Settings:
    return load_settings(flags, config=config)


def _application_of(settings: Settings) -> Application:
    from chatcore.builtin import application_of

    return application_of(settings)


def _announce(address: str) -> None:
    sys.stdout.write(f"chatcore is at {address}\n")
    sys.stdout.flush()
