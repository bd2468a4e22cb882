"""What the service refuses."""

from monitor.errors import MonitorError


class BenchmarkBusy(MonitorError):
    """Another benchmark runs."""

    exit_code = 6


class NoEngine(MonitorError):
    """No engine can be measured."""

    exit_code = 6


class TooSlow(MonitorError):
    """The answer took longer than whoever asked would wait."""

    exit_code = 6


class NothingToUse(MonitorError):
    """No settings won, or there is no engine to use them with."""
