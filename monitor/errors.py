"""The errors of `monitor`, and the exit codes they lead to.

    MonitorError
    ├── ConfigError          a setting, an option or a file of settings is wrong
    ├── StoreError           the store cannot do what was asked
    │   ├── StoreLocked      another agent owns it
    │   ├── StoreTooNew      a newer Watchkeeper wrote it
    │   ├── StoreDamaged     it cannot be read and was set aside
    │   ├── StoreFull        no space, or not writable
    │   └── QueryError       the query is wrong, forbidden, or ran out of time
    └── AgentError
        ├── AgentUnreachable no agent answers
        └── AgentRefused     it answered, and said no

Every error says what happened in one sentence and what to do in `hint`.
"""


class MonitorError(Exception):
    """Base of the errors a person can do something about.

    Args:
        message: what happened, one sentence.
        hint: what to do about it, one sentence; empty when there is nothing to do.
    """

    exit_code: int = 1
    """What the command line ends with."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class ConfigError(MonitorError):
    """A setting, an option or a file of settings is wrong."""

    exit_code = 2


class StoreError(MonitorError):
    """The store cannot do what was asked."""

    exit_code = 4


class StoreLocked(StoreError):
    """Another agent owns the data directory; `pid` is its process id."""

    exit_code = 5

    def __init__(self, message: str, *, pid: int | None, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.pid = pid


class StoreTooNew(StoreError):
    """The store was written by a newer Watchkeeper."""


class StoreDamaged(StoreError):
    """The store cannot be read."""


class StoreFull(StoreError):
    """There is no space left, or the directory is not writable."""


class QueryError(StoreError):
    """The query is wrong, forbidden, or ran out of time."""

    exit_code = 2


class AgentError(MonitorError):
    """Something between a client and the agent failed."""

    exit_code = 3


class AgentUnreachable(AgentError):
    """No agent answers on the socket."""


class AgentRefused(AgentError):
    """The agent answered, and said no."""
