"""The checks, each in an environment of its own: ``nox``, or ``nox -s NAME``.

With ``--no-venv`` they run in the environment that nox is in, which has to have the dependency group ``dev``.
"""

from __future__ import annotations

import nox

PROJECT = nox.project.load_toml("pyproject.toml")

nox.options.default_venv_backend = "venv"
nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = ["lint", "types", "layers", "docs", "tests"]


def install(session: nox.Session, *groups: str) -> None:
    """Install chatcore and these dependency groups, unless the session has no environment of its own."""
    if session.venv_backend != "none":
        session.install("-e", ".[analyst,jwt,llm,mcp]", *nox.project.dependency_groups(PROJECT, *groups))


@nox.session
def lint(session: nox.Session) -> None:
    """Style, and what ruff knows to be wrong."""
    install(session, "lint")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Types, strictly."""
    install(session, "dev")
    session.run("mypy")


@nox.session
def layers(session: nox.Session) -> None:
    """Imports go one way."""
    install(session, "layers")
    session.run("lint-imports", "--no-cache")


@nox.session
def docs(session: nox.Session) -> None:
    """The reference is what the code says, links lead somewhere, and what pages tell their reader to do works."""
    install(session, "dev")
    session.run("python", "docs/generate.py", "--check")
    session.run("python", "-m", "pytest", "-q", "tests/docs", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """Everything that pytest finds."""
    install(session, "dev")
    session.run("python", "-m", "pytest", *session.posargs)


@nox.session
def golden(session: nox.Session) -> None:
    """The golden questions over the shared data, with a table of the answers; ``-- -v`` says what was wrong."""
    install(session, "dev")
    session.run("python", "-m", "tests.golden", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """The same work beside other designs, each in an environment of its own; ``-- --full`` takes its time."""
    install(session, "dev", "bench")
    environments = str(session.cache_dir / "bench")
    session.run("python", "-m", "bench.environments", environments)
    session.run("python", "-m", "bench", "--environments", environments, *session.posargs)


@nox.session
def soak(session: nox.Session) -> None:
    """Two hundred kills under load, and a client through fifty restarts: nothing is lost, and nothing told twice."""
    install(session, "dev")
    session.run("python", "-m", "bench.crashes", *session.posargs)
    session.run("python", "-m", "bench.restarts")


@nox.session
def histories(session: nox.Session) -> None:
    """Ten thousand seeded histories of cuts, restarts and resumes, each judged against the log."""
    install(session, "dev")
    session.run("python", "tests/histories/run_histories.py", *(session.posargs or ["--count", "10000"]))


@nox.session
def fuzz(session: nox.Session) -> None:
    """A million mutated inputs for what a client's bytes go through: no crash, no hang, no growth."""
    install(session, "dev")
    session.run("python", "tests/fuzzing/run_fuzz.py", *session.posargs)


@nox.session
def attacks(session: nox.Session) -> None:
    """Every attack of the catalogue, and a SIGTERM with a crowd: how they end, and what others notice of it."""
    install(session, "dev")
    session.run("python", "-m", "bench.attacks", *session.posargs)
    session.run("python", "-m", "bench.draining")


@nox.session
def speed(session: nox.Session) -> None:
    """How fast the analyst answers many at once; name the data: ``-- --data FOLDER``."""
    install(session, "dev")
    session.run("python", "-m", "bench.analyst", *session.posargs)


@nox.session
def llm(session: nox.Session) -> None:
    """The language-model engine against llama.cpp's own server, over a tiny model of chance."""
    install(session, "dev", "llama")
    session.run("python", "-m", "pytest", "-n", "0", "tests/llm/test_llama_server.py", *session.posargs)


@nox.session
def mutants(session: nox.Session) -> None:
    """Each promise is broken on purpose, and its test has to notice."""
    install(session, "dev")
    session.run("python", "-m", "pytest", "tests/mutants", *session.posargs, env={"ALL_MUTANTS": "1"})
