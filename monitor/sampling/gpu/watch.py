"""Keeps the newest state of the GPUs in a thread, so that a hanging driver delays nothing else."""

import threading
import time
from collections.abc import Callable
from typing import Final, Protocol

import msgspec

from monitor.metrics.messages import GpuState
from monitor.sampling.core.priority import be_ordinary
from monitor.sampling.gpu.nvml import GpuReport, NvmlProblem

FIRST_PAUSE_S: Final = 60.0
LONGEST_PAUSE_S: Final = 600.0
"""Without a driver, the next check comes after a minute, then at growing intervals."""
ERROR_PAUSE_S: Final = 5.0
HANG_INTERVALS: Final = 3.0
"""How long a call may take before the driver is said not to answer."""
FRESH_INTERVALS: Final = 2.0
"""How old an answer may be and still be a reading of this moment: a thread may be late by an interval."""


class Gate(Protocol):
    """The interface of `Nvml`. Any of these calls may hang."""

    def open(self) -> None:
        """Initialise, or raise `NvmlProblem`."""
        ...

    def read(self) -> GpuReport:
        """Read all, or raise `NvmlProblem`."""
        ...

    def close(self) -> None:
        """Release it."""
        ...


class GpuWatch:
    """Reads the GPUs once per interval and remembers the result.

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
        """Start reading."""
        threading.Thread(target=self._run, name="gpu", daemon=True).start()

    def stop(self) -> None:
        """Stop reading. A hanging call is abandoned."""
        self._end.set()

    def latest(self) -> GpuState:
        """The newest state with its age; `stale` when the driver has not answered for some intervals, and not `fresh` before."""
        now = self._clock()
        with self._lock:
            state, read_at, since = self._state, self._read_at, self._asking_since
        age_s = max(now - read_at, 0.0)
        if since is not None and now - since > HANG_INTERVALS * self._interval_s:
            message = f"The NVIDIA driver has not answered for {now - since:.0f} s."
            return msgspec.structs.replace(state, state="stale", message=message, age_s=age_s, fresh=False)
        if state.state != "ok":
            return state
        return msgspec.structs.replace(state, age_s=age_s, fresh=age_s <= FRESH_INTERVALS * self._interval_s)

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
