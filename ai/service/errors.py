"""What the service refuses."""

from monitor.errors import MonitorError


class BenchmarkBusy(MonitorError):  # noqa: N818 - names state what is so, as in monitor.errors
    """Another benchmark runs."""

    exit_code = 6


class NoEngine(MonitorError):  # noqa: N818
    """No engine can be measured."""

    exit_code = 6


class TooSlow(MonitorError):  # noqa: N818
    """The answer took longer than whoever asked would wait."""

    exit_code = 6


class NothingToUse(MonitorError):  # noqa: N818
    """No settings won, or there is no engine to use them with."""
