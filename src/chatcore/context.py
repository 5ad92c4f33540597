"""Whose request this is: made per request, inside a running task, and handed to everything made for it."""

from __future__ import annotations

import attrs
import trio

from chatcore.errors import ContextRequired


def _inside_a_task(instance: object, attribute: attrs.Attribute[str], value: str) -> None:  # noqa: ARG001  attrs calls it so
    """Refuse a context that is made at import or from a plain thread: it would be shared between users."""
    if not trio.lowlevel.in_trio_task():
        raise ContextRequired(type(instance).__name__)


@attrs.frozen(kw_only=True)
class UserExecutionContext:
    """The user, thread, run and connection that one piece of work belongs to.

    Args:
        user_id: the authenticated user.
        connection_id: the connection that asked, None where the request came over HTTP.
        thread_id: the thread, None until it is known.
        run_id: the run, None outside a run.

    Raises:
        ContextRequired: when made outside a running Trio task, for instance at import.
    """

    user_id: str = attrs.field(validator=_inside_a_task)
    connection_id: str | None = None
    thread_id: str | None = None
    run_id: str | None = None


def require_context(context: object, what: str) -> UserExecutionContext:
    """The context itself.

    Raises:
        ContextRequired: when ``context`` is not one; ``what`` names the object that was to be made from it.
    """
    if not isinstance(context, UserExecutionContext):
        raise ContextRequired(what)
    return context
