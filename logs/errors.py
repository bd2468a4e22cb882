"""The error of `logs`: something a person can do something about."""

from monitor.errors import MonitorError


class LogsError(MonitorError):
    """A filter, a path or a format is wrong; `hint` says what would be right."""

    exit_code = 2
