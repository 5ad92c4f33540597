"""chatcore: a chat server for AI agents that tells the truth from its first second.

The names here are what an app author needs; the client is :mod:`chatcore.client`, support for tests
:mod:`chatcore.testing`.
"""

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
