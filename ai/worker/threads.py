"""With how many threads llama.cpp is fastest here: measured once for each machine and model, and kept in a file.

The machine is told by its CPU, the CPUs this process may use and a container's quota; the model by its digest; the library by its version.
"""

import contextlib
import importlib.metadata
import json
import logging
import os
import platform
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ai.core.control_groups import quotas
from ai.model_files.digests import gguf_id
from ai.worker.probing import ProbeError, run_probe

log = logging.getLogger("watchkeeper.ai")
_DEADLINE_S: Final = 30.0
_KEPT: Final = 64
_AGAIN_S: Final = 600.0
_WAY: Final = "spinning"
"""How threads wait for each other: figures of threads that sleep at once are of no use."""
QUIET: Final = 0.3
"""Cores that other programs may use while it is measured, for the figures to be this machine's own."""
_ALIKE: Final = 0.97
"""As good as the best: fewer threads leave more to others."""


class ThreadRates(BaseModel):
    """Tokens a second by the number of threads, for answers and for prompts; both empty where it could not be measured (`problem` says why)."""

    model_config = ConfigDict(frozen=True)

    generate: dict[int, float] = Field(default_factory=dict, max_length=64)
    read: dict[int, float] = Field(default_factory=dict, max_length=64)
    neighbours: float | None = None
    """Cores that other programs used meanwhile."""
    taken: float = 0.0
    """When, seconds since the epoch."""
    problem: str = ""

    @property
    def quiet(self) -> bool:
        """Whether the machine had nothing else to do."""
        return self.neighbours is None or self.neighbours <= QUIET

    def best(self) -> tuple[int, int] | None:
        """Threads that generate, and threads that read a prompt; None where nothing was measured."""
        if not self.generate or not self.read:
            return None
        return _fewest(self.generate), _fewest(self.read)

    def sentence(self) -> str:
        """What was measured, for people."""
        best = self.best()
        if best is None:
            return f"The number of threads could not be measured here: {self.problem or 'no figures'}"
        rates = ", ".join(f"{n}: {rate:.0f}" for n, rate in sorted(self.generate.items()))
        busy = "" if self.quiet else " The machine was busy, so it is measured again at a later load."
        words = f"{best[0]} thread{'s' if best[0] != 1 else ''}"
        fewer = " Fewer generate while other programs use the cores." if best[0] > 1 else ""
        return (
            f"{words}, {best[1]} for prompts, as measured on this machine (tokens/s by threads: {rates}).{fewer}{busy}"
        )


def _fewest(rates: Mapping[int, float]) -> int:
    best = max(rates.values())
    return min(count for count, rate in rates.items() if rate >= _ALIKE * best)


def measure_threads(model: Path, most: int, *, deadline_s: float = _DEADLINE_S) -> ThreadRates:
    """The rates of a model with up to `most` threads, measured now, in a process of its own; what cannot be measured says why."""
    counts = counts_up_to(most)
    if counts == [1]:
        return ThreadRates(generate={1: 1.0}, read={1: 1.0}, taken=time.time())
    try:
        said = run_probe("ai.worker.engines.thread_probe", [str(model), *map(str, counts)], deadline_s)
        return ThreadRates.model_validate(json.loads(said) | {"taken": time.time()})
    except (ProbeError, ValueError, TypeError) as error:  # pydantic's error is a ValueError
        return _problem(str(error)[:200])


class ThreadTable:
    """What was measured, for this process and in files; one measurement at a time.

    Args:
        measure: measures a model with up to so many threads.
        again_s: what was measured on a busy machine is measured again at a later load, no sooner than this.
    """

    def __init__(
        self, measure: Callable[[Path, int], ThreadRates] = measure_threads, *, again_s: float = _AGAIN_S
    ) -> None:
        self._measure, self._again_s = measure, again_s
        self._lock = threading.Lock()
        self._measured: dict[str, ThreadRates] = {}

    def measured(self, model: Path, most: int, kept: Path | None) -> ThreadRates:
        """The rates of a model, measured now unless they are known; takes about a second and the time of a load, and blocks.

        Args:
            model: its GGUF file.
            most: threads to try at most.
            kept: the file that keeps what was measured; None keeps it in this process only.

        Raises:
            OSError, ValueError: it is no GGUF file.
        """
        key = _key(model, most)
        with self._lock:
            found = self._known(key, kept)
            if found is not None and (found.quiet or time.time() - found.taken < self._again_s):
                return found
            fresh = self._measure(model, most)
            if found is not None and found.best() is not None and fresh.best() is None:
                return found
            self._measured[key] = fresh
            if kept is not None:
                _write(key, fresh, kept)
            return fresh

    def known(self, model: Path, most: int, kept: Path | None) -> ThreadRates | None:
        """What was measured before; None when nothing was."""
        try:
            return self._known(_key(model, most), kept)
        except (OSError, ValueError):
            return None

    def _known(self, key: str, kept: Path | None) -> ThreadRates | None:
        if key in self._measured:
            return self._measured[key]
        value = _read(kept).get(key) if kept is not None else None
        try:
            return ThreadRates.model_validate(value) if value is not None else None
        except ValidationError:
            return None  # written by another version


THREADS: Final = ThreadTable()
"""Of this process."""


def counts_up_to(most: int) -> list[int]:
    """The numbers of threads that are tried: powers of two, the most, and one less."""
    powers = {2**power for power in range(most.bit_length()) if 2**power <= most}
    return sorted(powers | {most} | ({most - 1} if most > 2 else set()))


def _problem(why: str) -> ThreadRates:
    log.warning("the number of threads could not be measured: %s", why)
    return ThreadRates(taken=time.time(), problem=why)


def _key(model: Path, most: int) -> str:
    """What the figures are of.

    Raises:
        OSError, ValueError: it is no GGUF file.
    """
    allowed = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [os.cpu_count() or 1]
    try:
        version = importlib.metadata.version("xllamacpp")
    except importlib.metadata.PackageNotFoundError:
        version = ""
    limits = " ".join(f"{quota.cores:g}" for quota in quotas())
    return "|".join((_WAY, _cpu(), ",".join(map(str, allowed)), limits, str(most), version, gguf_id(model)))


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _read(kept: Path) -> dict[str, Any]:
    try:
        value = json.loads(kept.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}  # not there yet, or damaged: it is measured again
    return value if isinstance(value, dict) else {}


def _write(key: str, rates: ThreadRates, kept: Path) -> None:
    values = {k: v for k, v in _read(kept).items() if k != key} | {key: rates.model_dump(mode="json")}
    newest = dict(list(values.items())[-_KEPT:])
    part = kept.with_name(f"{kept.name}.{os.getpid()}")
    try:
        part.write_text(json.dumps(newest, indent=1), encoding="utf-8")
        part.replace(kept)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        log.warning("the measured number of threads could not be kept in %s: %s", kept, error)
