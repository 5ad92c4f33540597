"""The application that the settings name: an author's own, or the built-in analyst over the data they name."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from chatcore.agents.analyst.account import ModelPrice
from chatcore.agents.analyst.agent import Analyst, Data
from chatcore.agents.analyst.ledger import open_ledger, open_sample
from chatcore.agents.analyst.naming import mapping_for
from chatcore.agents.analyst.records import open_records
from chatcore.agents.analyst.rehearsing import rehearsed
from chatcore.agents.analyst.sources import find_sources, validate_sources
from chatcore.agents.llm.client import LanguageModel, open_language_model
from chatcore.agents.mcp.endpoints import Endpoint, endpoints_of
from chatcore.agents.mcp.provided import McpTools, check_installed, provide_mcp
from chatcore.application import Application
from chatcore.errors import ChatcoreError, ConfigurationError
from chatcore.observability import describe_error
from chatcore.services import Phase, ServiceGraph, StartReporter
from chatcore.settings import Settings
from chatcore.threads.service import ThreadService

SAMPLE = "sample"
"""``--data sample``: a ledger generated from a seed."""

LOADING_WEIGHT = 9.0
"""Of ten: loading data is nearly all that the analyst's start is made of."""

MODEL_WEIGHT = 2.0
"""The SDK is imported: a second or two."""


def application_of(settings: Settings) -> Application:
    """The application to serve. Data files are looked over, so that a bad one is named before anything starts.

    Raises:
        ConfigurationError: names the module, the attribute or the file that is wrong.
        ServiceGraphInvalid: the author's graph has faults.
    """
    if settings.app is not None:
        for name in ("data", "mapping", "mcp"):
            if getattr(settings, name):
                raise ConfigurationError(name, "is for the built-in analyst", "leave it out where an app is named")
        return import_application(settings.app)
    with_model, mcp = _names_a_model(settings), endpoints_of(settings.mcp)
    if mcp and not with_model:
        raise ConfigurationError("mcp", "its tools are for a language model, and there is none", "set llm_model, too")
    return analyst_application(settings.data, with_model=with_model, mapping=settings.mapping, mcp=mcp)


def _names_a_model(settings: Settings) -> bool:
    """Whether the analyst is to ask a language model.

    Raises:
        ConfigurationError: it is, and the SDK is not installed.
    """
    if settings.llm_model is not None and importlib.util.find_spec("openai") is None:
        raise ConfigurationError("llm_model", "the SDK is not installed", "pip install 'chatcore[llm]'")
    return settings.llm_model is not None


def import_application(reference: str) -> Application:
    """The application at ``module:attribute``; modules of the current folder are found too.

    Raises:
        ConfigurationError: there is no such module or attribute, or it is no Application.
    """
    module_name, _, attribute = reference.partition(":")
    if not module_name or not attribute:
        raise ConfigurationError("app", f"{reference!r} names no application", "it must be MODULE:ATTRIBUTE")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise ConfigurationError("app", f"module {error.name!r} cannot be found") from None
    except ChatcoreError:
        raise
    except Exception as error:  # an author's module may raise anything, with anything in its words
        told = describe_error(error)
        raise ConfigurationError("app", f"{module_name} raises {told['error']} at {told['where']}") from None
    found = getattr(module, attribute, None)
    if not isinstance(found, Application):
        raise ConfigurationError("app", f"{reference!r} is no chatcore.Application")
    return found


def analyst_application(
    data: Sequence[str], *, with_model: bool = False, mapping: str | None = None, mcp: Sequence[Endpoint] = ()
) -> Application:
    """The built-in analyst: over files, over the generated sample, or over the server's own record.

    Args:
        data: the files or folders, or the sample; the server's own record where there are none.
        with_model: whether it asks the language model that the settings name.
        mapping: the file that says what columns mean, where guessing fails.
        mcp: the servers whose tools the model may use.

    Raises:
        ConfigurationError: names the file that is wrong.
    """
    if importlib.util.find_spec("duckdb") is None:
        raise ConfigurationError("analyst", "DuckDB is not installed", "pip install 'chatcore[analyst]'")
    services = _graph(data, mapping)
    if mcp:
        check_installed(mcp)
        provide_mcp(services, mcp)
    if with_model:
        _provide_model(services)
    provide = _provide_analyst_with_tools if mcp else _provide_modelled_analyst if with_model else _provide_analyst
    provide(services)
    return Application(services, agents={"analyst": Analyst})


def _graph(paths: Sequence[str], mapping: str | None) -> ServiceGraph:
    """What is known."""
    services = ServiceGraph()
    if mapping is not None and (not paths or list(paths) == [SAMPLE]):
        raise ConfigurationError("mapping", "says what columns of data files mean, and there are none", "set data, too")
    if not paths:
        _provide_record(services)
    elif list(paths) == [SAMPLE]:
        _provide_sample(services)
    else:
        _provide_files(services, [Path(path) for path in paths], mapping)
    return services


def _provide_analyst(services: ServiceGraph) -> None:
    @services.provide(phase=Phase.SERVICES, label="analyst")
    async def analyst(data: Data) -> AsyncIterator[Analyst]:
        yield Analyst(data)


def _provide_modelled_analyst(services: ServiceGraph) -> None:
    @services.provide(phase=Phase.SERVICES, label="analyst")
    async def analyst(data: Data, model: LanguageModel, settings: Settings) -> AsyncIterator[Analyst]:
        yield Analyst(data, model, model_price=_price_of(settings))


def _provide_analyst_with_tools(services: ServiceGraph) -> None:
    @services.provide(phase=Phase.SERVICES, label="analyst")
    async def analyst(data: Data, model: LanguageModel, mcp: McpTools, settings: Settings) -> AsyncIterator[Analyst]:
        yield Analyst(data, model, mcp.tools, _price_of(settings))


def _price_of(settings: Settings) -> ModelPrice | None:
    """What the operator says that the language model costs."""
    if settings.llm_prompt_price is None or settings.llm_completion_price is None:
        return None
    return ModelPrice(settings.llm_prompt_price, settings.llm_completion_price)


def _provide_model(services: ServiceGraph) -> None:
    @services.provide(phase=Phase.DEPENDENCIES, label="language model", weight=MODEL_WEIGHT)
    async def language_model(settings: Settings) -> AsyncIterator[LanguageModel]:
        async with open_language_model(settings) as model:
            yield model


def _provide_record(services: ServiceGraph) -> None:
    @services.provide(phase=Phase.DATABASE, label="server record")
    async def server_record(threads: ThreadService) -> AsyncIterator[Data]:
        async with open_records(threads.records) as records:
            yield records


def _provide_sample(services: ServiceGraph) -> None:
    @services.provide(phase=Phase.DATABASE, label="generated sample ledger", weight=LOADING_WEIGHT)
    async def sample_ledger(start: StartReporter) -> AsyncIterator[Data]:
        async with open_sample(start.advance) as ledger, rehearsed(ledger):
            yield ledger


def _provide_files(services: ServiceGraph, paths: Sequence[Path], mapping_file: str | None) -> None:
    sources = find_sources(paths)
    validate_sources(sources)
    mapping = mapping_for(sources, mapping_file) if mapping_file is not None else None

    @services.provide(phase=Phase.DATABASE, label="usage ledger", weight=LOADING_WEIGHT)
    async def usage_ledger(start: StartReporter) -> AsyncIterator[Data]:
        async with open_ledger(sources, start.advance, mapping) as ledger, rehearsed(ledger):
            yield ledger
