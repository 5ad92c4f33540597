"""chatcore: a chat server for AI agents that tells the truth from its first second.

The names here are what an app author needs; the client is :mod:`chatcore.client`, support for tests
:mod:`chatcore.testing`. Each is imported when it is first used, so that ``import chatcore``, and with it every command,
takes no longer than it must.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chatcore.agents.base import Agent, Run, ToolCall
    from chatcore.agents.tools import Tool, ToolError, ToolRegistry, ToolResult
    from chatcore.application import Application
    from chatcore.context import UserExecutionContext
    from chatcore.errors import AgentFailure, ConfigurationError, InitializationFailed
    from chatcore.initialization.manager import ServiceInitializationManager
    from chatcore.protocol.messages import Answer, Evidence, Recommendation, UserMessage
    from chatcore.services import Phase, ReadyServices, ServiceGraph, StartReporter
    from chatcore.settings import Settings
    from chatcore.threads.service import ThreadService

__version__ = "0.1.0"

__all__ = [
    "Agent",
    "AgentFailure",
    "Answer",
    "Application",
    "ConfigurationError",
    "Evidence",
    "InitializationFailed",
    "Phase",
    "ReadyServices",
    "Recommendation",
    "Run",
    "ServiceGraph",
    "ServiceInitializationManager",
    "Settings",
    "StartReporter",
    "ThreadService",
    "Tool",
    "ToolCall",
    "ToolError",
    "ToolRegistry",
    "ToolResult",
    "UserExecutionContext",
    "UserMessage",
    "__version__",
]

_HOMES = {
    "chatcore.agents.base": ("Agent", "Run", "ToolCall"),
    "chatcore.agents.tools": ("Tool", "ToolError", "ToolRegistry", "ToolResult"),
    "chatcore.application": ("Application",),
    "chatcore.context": ("UserExecutionContext",),
    "chatcore.errors": ("AgentFailure", "ConfigurationError", "InitializationFailed"),
    "chatcore.initialization.manager": ("ServiceInitializationManager",),
    "chatcore.protocol.messages": ("Answer", "Evidence", "Recommendation", "UserMessage"),
    "chatcore.services": ("Phase", "ReadyServices", "ServiceGraph", "StartReporter"),
    "chatcore.settings": ("Settings",),
    "chatcore.threads.service": ("ThreadService",),
}


def __getattr__(name: str) -> Any:
    """The public name, from its module (PEP 562)."""
    for module, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(module), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
