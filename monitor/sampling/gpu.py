"""placeholder"""

from monitor.wire import GpuState


class GpuWatch:
    """GPUs."""

    def __init__(self, *, interval_s: float) -> None:
        self._interval_s = interval_s

    def start(self) -> None:
        """Start."""

    def latest(self) -> GpuState:
        """State."""
        return GpuState("none", "No NVIDIA driver is installed on this machine.", 0.0, [], [])
