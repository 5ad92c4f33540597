"""An application: a graph of services and the agents among them. It is an ASGI application as it stands."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import attrs

from chatcore.agents.base import describe_agent
from chatcore.errors import ConfigurationError
from chatcore.initialization.plan import Plan
from chatcore.protocol.text import is_sendable
from chatcore.services import ServiceGraph
from chatcore.transports.asgi import Message, Receive, Send


@attrs.frozen
class Application:
    """What ``chatcore serve module:app`` and ``hypercorn --worker-class trio module:app`` serve.

    Args:
        services: the graph.
        agents: the agents' types by the names that clients use; each is yielded by a service of the graph. The first
            is the default.

    Raises:
        ServiceGraphInvalid: names every fault of the graph.
        ConfigurationError: an agent is missing from the graph, is none, or tells of itself what cannot be sent.
    """

    services: ServiceGraph
    agents: Mapping[str, type[Any]] = attrs.field(kw_only=True)
    plan: Plan = attrs.field(init=False)

    @plan.default
    def _plan(self) -> Plan:
        return Plan.of(self.services.services)

    def __attrs_post_init__(self) -> None:
        provided = {service.provides for service in self.services.services}
        for name, kind in self.agents.items():
            _check_agent(name, kind, provided)
        if not self.agents:
            raise ConfigurationError("agents", "there is none", "name at least one agent: agents={'name': AgentType}")

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve as an ASGI application, set by the environment."""
        from chatcore.lifespan import serve_scope

        await serve_scope(lambda settings: self, scope, receive, send)  # noqa: ARG005  every application takes them


def _check_agent(name: str, kind: type[Any], provided: set[type]) -> None:
    if not name or len(name) > 128 or not name.isprintable():
        raise ConfigurationError("agents", f"{name!r} is no name", "use 1 to 128 printable characters")
    if kind not in provided:
        problem = f"no service of the graph yields {kind.__qualname__}"
        raise ConfigurationError(f"agents[{name!r}]", problem, "provide it with @services.provide(...)")
    if not inspect.iscoroutinefunction(getattr(kind, "respond", None)):
        problem = f"{kind.__qualname__} is no agent"
        raise ConfigurationError(f"agents[{name!r}]", problem, "give it `async def respond(self, message, run)`")
    told = {"description": describe_agent(kind)} | {each: getattr(kind, each, None) for each in ("engine", "model")}
    for each, text in told.items():
        if isinstance(text, str) and not is_sendable(text):
            problem = f"the {each} of {kind.__qualname__} is text that cannot be sent"
            raise ConfigurationError(f"agents[{name!r}]", problem, "leave out the lone surrogate in it")
