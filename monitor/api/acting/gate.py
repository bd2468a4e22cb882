"""The gate of all routes that act on services, processes and models. Whether a visitor may act is decided where the visitor is known, by the pages;
the agent's socket belongs to one user. The settings can forbid all actions, whoever asks.
"""

from collections.abc import Callable
from typing import Any

from fastapi import Depends

from monitor.api.http.context import Context
from monitor.core.errors import ReadOnly


def acting(context: Context) -> Any:
    """The dependency that such a route needs: `dependencies=[acting(context)]`."""
    return Depends(gate_of(context))


def gate_of(context: Context) -> Callable[[], None]:
    """Refuses while `actions.read_only` is set."""

    def gate() -> None:
        if context.settings().actions.read_only:
            raise ReadOnly(
                "actions on services, processes and models are switched off",
                hint="the setting actions.read_only switches them on",
            )

    return gate
