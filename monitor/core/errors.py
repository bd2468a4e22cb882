"""The errors of `monitor`, and the exit codes they lead to.

    MonitorError
    ├── ConfigError          a setting, an option or the settings file is wrong
    ├── StoreError           the store cannot do what was asked
    │   ├── StoreLocked      another agent owns it
    │   ├── StoreTooNew      a newer Watchkeeper wrote it
    │   ├── StoreDamaged     it cannot be read and was set aside
    │   ├── StoreFull        no space, or not writable
    │   └── QueryError       the query is wrong, forbidden, or ran out of time
    └── AgentError
        ├── AgentUnreachable no agent answers
        │   └── AgentConnecting   it runs, or is being started again
        ├── Busy             too many requests wait already
        ├── ActionRefused    an action on a process is not possible, or not allowed
        │   └── ReadOnly     the settings forbid all actions
        └── AgentRefused     the agent refused the request

Every error says in one sentence what happened, and in `hint` what to do. The errors of `logs` and `ai` do the same, so the API and the
command line treat all of them alike (`REPORTED`).
"""

from typing import Final

from ai.core.errors import AiError
from logs.core.errors import LogsError


class MonitorError(Exception):
    """Base of the errors that a person can do something about.

    Args:
        message: what happened, one sentence.
        hint: what to do about it, one sentence; empty if there is nothing to do.
    """

    exit_code: int = 1
    """Exit code of the command line."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class ConfigError(MonitorError):
    """A setting, an option or the settings file is wrong."""

    exit_code = 2


class StoreError(MonitorError):
    """The store cannot do what was asked."""

    exit_code = 4


class StoreLocked(StoreError):
    """Another agent owns the data directory; `pid` is its process ID."""

    exit_code = 5

    def __init__(self, message: str, *, pid: int | None, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.pid = pid


class StoreTooNew(StoreError):
    """The store was written by a newer Watchkeeper."""


class StoreDamaged(StoreError):
    """The store cannot be read."""


class StoreFull(StoreError):
    """No space is left, or the directory is not writable."""


class QueryError(StoreError):
    """The query is wrong, forbidden, or ran out of time."""

    exit_code = 2


class AgentError(MonitorError):
    """A client and the agent could not work together."""

    exit_code = 3


class AgentUnreachable(AgentError):
    """No agent answers on the socket."""


class AgentConnecting(AgentUnreachable):
    """It does not answer yet, but it runs, or the launcher starts it again."""


class Busy(AgentError):
    """Too many requests wait already."""


class ActionRefused(AgentError):
    """An action on a process is not possible, or not allowed."""


class ReadOnly(ActionRefused):
    """The settings forbid actions on services and processes."""


class AgentRefused(AgentError):
    """The agent refused the request."""


REPORTED: Final = (MonitorError, LogsError, AiError)
"""Errors that a person sees as a sentence with a hint, never as a traceback. Each has `message`, `hint` and `exit_code`."""
Reported = MonitorError | LogsError | AiError
