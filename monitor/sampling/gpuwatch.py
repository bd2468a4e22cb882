"""Keeps the newest state of the GPUs in a thread of its own, so that a driver that hangs delays nothing else."""

import threading
import time
from collections.abc import Callable
from typing import Final, Protocol

import msgspec

from monitor.sampling.gpu import GpuReport, NvmlProblem
from monitor.sampling.priority import be_ordinary
from monitor.wire import GpuState

FIRST_PAUSE_S: Final = 60.0
LONGEST_PAUSE_S: Final = 600.0
"""Where there is no driver it is looked for again after a minute, then ever more seldom."""
ERROR_PAUSE_S: Final = 5.0
HANG_INTERVALS: Final = 3.0


class Gate(Protocol):
    """What is asked: `gpu.Nvml`. Any of these calls may hang."""

    def open(self) -> None:
        """Make ready, or raise `NvmlProblem`."""
        ...

    def read(self) -> GpuReport:
        """Read all, or raise `NvmlProblem`."""
        ...

    def close(self) -> None:
        """Let go."""
        ...


class GpuWatch:
    """Asks the gate once an interval and remembers.

    Args:
        gate: NVML.
        interval_s: time between two readings.
        clock: seconds, monotonic.
        first_pause_s: wait before a missing driver is looked for again; doubles up to `LONGEST_PAUSE_S`.
    """

    def __init__(
        self,
        gate: Gate,
        *,
        interval_s: float,
        clock: Callable[[], float] = time.monotonic,
        first_pause_s: float = FIRST_PAUSE_S,
    ) -> None:
        self._gate = gate
        self._interval_s = interval_s
        self._clock = clock
        self._first_pause_s = first_pause_s
        self._lock = threading.Lock()
        self._state = GpuState("none", "GPUs are being looked for.", 0.0, [], [])
        self._read_at = clock()
        self._asking_since: float | None = None
        self._end = threading.Event()

    def start(self) -> None:
        """Begin to ask."""
        threading.Thread(target=self._run, name="gpu", daemon=True).start()

    def stop(self) -> None:
        """Ask no more. A call that hangs is left to itself."""
        self._end.set()

    def latest(self) -> GpuState:
        """The newest state with its age; `stale` when the driver has not answered for some intervals."""
        now = self._clock()
        with self._lock:
            state, read_at, since = self._state, self._read_at, self._asking_since
        age_s = max(now - read_at, 0.0)
        if since is not None and now - since > HANG_INTERVALS * self._interval_s:
            message = f"The NVIDIA driver has not answered for {now - since:.0f} s."
            return msgspec.structs.replace(state, state="stale", message=message, age_s=age_s)
        return msgspec.structs.replace(state, age_s=age_s if state.state == "ok" else 0.0)

    def _run(self) -> None:
        be_ordinary()
        pause_s, is_open = self._first_pause_s, False
        while not self._end.is_set():
            began = self._clock()
            with self._lock:
                self._asking_since = began
            try:
                if not is_open:
                    self._gate.open()
                    is_open = True
                report = self._gate.read()
            except NvmlProblem as problem:
                self._gate.close()
                is_open = False
                self._keep(GpuState(problem.state, _sentence(problem), 0.0, [], []))
                self._end.wait(pause_s if problem.state == "none" else min(pause_s, ERROR_PAUSE_S))
                pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
                continue
            pause_s = self._first_pause_s
            self._keep(GpuState("ok", "", 0.0, report.gpus, report.processes))
            self._end.wait(max(self._interval_s - (self._clock() - began), 0.05))

    def _keep(self, state: GpuState) -> None:
        with self._lock:
            self._state, self._read_at, self._asking_since = state, self._clock(), None


def _sentence(problem: NvmlProblem) -> str:
    return f"{problem.message} {problem.hint}".strip()
