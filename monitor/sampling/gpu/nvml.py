"""The only access to NVML (`nvidia-ml-py`): typed readings, and *not available* instead of an error wherever possible.

    NvmlProblem     NVML as a whole cannot be used now; `state` is `none` or `error`
    _DeviceFailed   one GPU cannot be read; the others can

NVML calls may hang for minutes (a GPU off the bus, a driver being replaced). This module just calls;
`GpuWatch` calls it from threads, one for each GPU. NVML reference: docs.nvidia.com/deploy/nvml-api.
"""

import ctypes
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Final

from monitor.core.errors import MonitorError
from monitor.metrics.catalogue import GpuReading
from monitor.metrics.messages import GpuProcess

LOST_PAUSE_S: Final = 10.0
"""Pause after a GPU could not be read: each attempt may take the driver seconds."""
NO_DRIVER: Final = "No NVIDIA driver is installed on this machine, so there are no GPU readings."
_THROTTLE: Final = (
    (0x001, "gpu idle"),
    (0x002, "clocks set by application"),
    (0x004, "power cap"),
    (0x008, "hardware slowdown"),
    (0x010, "sync boost"),
    (0x020, "software thermal slowdown"),
    (0x040, "hardware thermal slowdown"),
    (0x080, "power brake"),
    (0x100, "clocks set by display"),
)


class NvmlProblem(MonitorError):
    """NVML cannot be used now.

    Args:
        state: `none` (no driver, no device) or `error`, as in `wire.GpuState`.
    """

    def __init__(self, state: str, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.state = state


class _DeviceFailed(Exception):
    """One GPU does not answer."""


@dataclass(slots=True)
class _Device:
    """What is known of the GPU at one index."""

    index: int
    uuid: str = ""
    name: str = ""
    handle: Any = None
    failed_at: float | None = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class GpuReport:
    """One GPU at one moment, and the memory of its processes (`run` not yet known)."""

    gpu: GpuReading
    processes: list[GpuProcess]


class Nvml:
    """NVML, opened and asked. Different GPUs may be read from different threads at once, as NVML allows.

    Args:
        clock: seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._nvml: ModuleType | None = None
        self._devices: dict[int, _Device] = {}

    def open(self) -> None:
        """Load and initialise NVML; `pynvml` is imported only where its library exists, since it costs 10 MB.

        Raises:
            NvmlProblem: there is no driver, no device, or it fails.
        """
        if sys.platform == "linux":
            try:
                ctypes.CDLL("libnvidia-ml.so.1")
            except OSError:
                raise NvmlProblem("none", NO_DRIVER) from None
        elif sys.platform == "darwin":
            raise NvmlProblem("none", "NVIDIA GPUs are not supported on macOS.")
        import pynvml  # noqa: TID251 - the gate itself

        try:
            pynvml.nvmlInit()
        except pynvml.NVMLError as error:
            raise self._problem(pynvml, error) from None
        self._nvml = pynvml

    def close(self) -> None:
        """Release NVML, whatever it answers; idempotent."""
        nvml, self._nvml = self._nvml, None
        self._devices.clear()
        if nvml is not None:
            try:
                nvml.nvmlShutdown()
            except nvml.NVMLError:  # it was lost before we let go
                return

    def count(self) -> int:
        """How many GPUs there are, at least one.

        Raises:
            NvmlProblem: there is none, or NVML as a whole failed; close and open again later.
        """
        nvml = self._opened()
        try:
            count = int(nvml.nvmlDeviceGetCount())
        except nvml.NVMLError as error:
            raise self._problem(nvml, error) from None
        if count == 0:
            raise NvmlProblem("none", "The NVIDIA driver is installed, but it finds no GPU.")
        return count

    def read(self, index: int) -> GpuReport:
        """One GPU and its processes; a GPU that cannot be read has an `error`.

        Raises:
            NvmlProblem: NVML as a whole failed; close and open again later.
        """
        nvml = self._opened()
        device = self._devices.setdefault(index, _Device(index))
        try:
            return GpuReport(*self._read_device(nvml, device))
        except _DeviceFailed as failure:
            device.failed_at, device.error, device.handle = self._clock(), str(failure), None
            return GpuReport(_failed(device), [])

    def _opened(self) -> ModuleType:
        if self._nvml is None:
            raise NvmlProblem("error", "NVML is not open.")
        return self._nvml

    def _read_device(self, nvml: ModuleType, device: _Device) -> tuple[GpuReading, list[GpuProcess]]:
        """One GPU.

        Raises:
            _DeviceFailed: it cannot be read at all.
        """
        if device.failed_at is not None and self._clock() - device.failed_at < LOST_PAUSE_S:
            return _failed(device), []
        if device.handle is None:
            device.handle = self._must(nvml, nvml.nvmlDeviceGetHandleByIndex, device.index)
            device.uuid = _text(self._ask(nvml, nvml.nvmlDeviceGetUUID, device.handle)) or device.uuid
            device.name = _text(self._ask(nvml, nvml.nvmlDeviceGetName, device.handle)) or device.name
        handle = device.handle
        reading = self._reading(nvml, device, handle)
        held = self._processes(nvml, device.index, handle)
        device.failed_at = None
        return reading, held

    def _reading(self, nvml: ModuleType, device: _Device, handle: object) -> GpuReading:
        ask = self._ask
        memory = self._memory(nvml, handle)
        use = ask(nvml, nvml.nvmlDeviceGetUtilizationRates, handle)
        return GpuReading(
            index=device.index,
            uuid=device.uuid,
            name=device.name or f"GPU {device.index}",
            util_pct=None if use is None else float(use.gpu),
            mem_util_pct=None if use is None else float(use.memory),
            mem_total=None if memory is None else int(memory.total),
            mem_used=None if memory is None else int(memory.used),
            power_w=_scaled(ask(nvml, nvml.nvmlDeviceGetPowerUsage, handle), 1e-3),
            power_limit_w=_scaled(ask(nvml, nvml.nvmlDeviceGetEnforcedPowerLimit, handle), 1e-3),
            temp_c=_scaled(ask(nvml, nvml.nvmlDeviceGetTemperature, handle, nvml.NVML_TEMPERATURE_GPU), 1.0),
            clock_sm_mhz=ask(nvml, nvml.nvmlDeviceGetClockInfo, handle, nvml.NVML_CLOCK_SM),
            clock_mem_mhz=ask(nvml, nvml.nvmlDeviceGetClockInfo, handle, nvml.NVML_CLOCK_MEM),
            throttle=self._throttle(nvml, handle),
            energy_j=_scaled(ask(nvml, nvml.nvmlDeviceGetTotalEnergyConsumption, handle), 1e-3),
        )

    def _memory(self, nvml: ModuleType, handle: object) -> Any | None:
        """Memory as in `nvidia-smi` (without the driver's reserve), else as older drivers report it."""
        newer = getattr(nvml, "nvmlMemory_v2", None)
        if newer is not None:
            memory = self._ask(nvml, nvml.nvmlDeviceGetMemoryInfo, handle, newer)
            if memory is not None:
                return memory
        return self._ask(nvml, nvml.nvmlDeviceGetMemoryInfo, handle)

    def _throttle(self, nvml: ModuleType, handle: object) -> list[str] | None:
        """Reasons for reduced clocks, in words; empty without any."""
        mask = None
        for name in ("nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons"):
            function = getattr(nvml, name, None)
            mask = None if function is None else self._ask(nvml, function, handle)
            if mask is not None:
                break
        return None if mask is None else [word for bit, word in _THROTTLE if mask & bit]

    def _processes(self, nvml: ModuleType, index: int, handle: object) -> list[GpuProcess]:
        """Processes that compute or draw. One that does both is listed twice by NVML, with the same memory."""
        held: dict[int, int | None] = {}
        for function in (nvml.nvmlDeviceGetComputeRunningProcesses, nvml.nvmlDeviceGetGraphicsRunningProcesses):
            for item in self._ask(nvml, function, handle) or ():
                used = None if item.usedGpuMemory is None else int(item.usedGpuMemory)
                known = held.get(item.pid)
                held[int(item.pid)] = used if known is None else max(known, used or 0)
        return [GpuProcess(index, pid, None, used) for pid, used in held.items()]

    def _must(self, nvml: ModuleType, function: Callable[..., Any], *arguments: object) -> Any:
        """A call whose answer is required to read the GPU.

        Raises:
            _DeviceFailed: it failed.
            NvmlProblem: NVML failed.
        """
        answer = self._ask(nvml, function, *arguments)
        if answer is None:
            raise _DeviceFailed("the driver gives no access to this GPU")
        return answer

    def _ask(self, nvml: ModuleType, function: Callable[..., Any], *arguments: object) -> Any | None:
        """Any call: its answer, or None if this GPU or this user gets none.

        Raises:
            _DeviceFailed: the GPU is lost or needs a reset.
            NvmlProblem: NVML failed.
        """
        try:
            return function(*arguments)
        except nvml.NVMLError as error:
            if error.value == nvml.NVML_ERROR_GPU_IS_LOST:
                raise _DeviceFailed("the GPU is lost: it has fallen off the bus or is not accessible") from None
            if error.value == nvml.NVML_ERROR_RESET_REQUIRED:
                raise _DeviceFailed("the GPU needs a reset before it can be used again") from None
            if error.value in (nvml.NVML_ERROR_UNINITIALIZED, nvml.NVML_ERROR_DRIVER_NOT_LOADED):
                raise self._problem(nvml, error) from None
            if error.value == nvml.NVML_ERROR_UNKNOWN:
                raise _DeviceFailed("the driver reports an unknown error for this GPU") from None
            return None  # not supported, not permitted, not found: this reading is not available
        except UnicodeDecodeError:  # a name that is no UTF-8
            return None

    def _problem(self, nvml: ModuleType, error: Any) -> NvmlProblem:
        """An error of NVML in words."""
        if error.value == nvml.NVML_ERROR_LIBRARY_NOT_FOUND:
            return NvmlProblem("none", NO_DRIVER)
        if error.value == nvml.NVML_ERROR_DRIVER_NOT_LOADED:
            return NvmlProblem("none", "The NVIDIA driver is installed but not loaded, so there are no GPU readings.")
        if error.value == nvml.NVML_ERROR_NO_PERMISSION:
            return NvmlProblem(
                "error", "This user may not use the NVIDIA driver.", hint="Check the permissions of /dev/nvidia*."
            )
        if error.value == nvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH:
            return NvmlProblem(
                "error", "The NVIDIA driver was updated and its parts do not match.", hint="Restart the machine."
            )
        return NvmlProblem("error", f"The NVIDIA driver reports: {error}.")


def _failed(device: _Device) -> GpuReading:
    return GpuReading(device.index, device.uuid, device.name or f"GPU {device.index}", error=device.error)


def _scaled(value: int | None, factor: float) -> float | None:
    return None if value is None else value * factor


def _text(value: str | bytes | None) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value or ""
