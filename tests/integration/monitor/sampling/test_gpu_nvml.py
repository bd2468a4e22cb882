"""The gate to NVML, through the real `pynvml`, on a stub of the driver's library."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from monitor.metrics.catalogue import GpuReading
from monitor.metrics.messages import GpuProcess
from monitor.sampling.gpu.nvml import Nvml, NvmlProblem
from tests.waiting import patient

ROOT = Path(__file__).resolve().parents[4]
ASK = """
import sys
import msgspec
from monitor.sampling.gpu.nvml import Nvml, NvmlProblem
nvml = Nvml()
try:
    nvml.open()
    reports = [nvml.read(index) for index in range(nvml.count())]
    answer = {"gpus": [report.gpu for report in reports], "processes": [one for report in reports for one in report.processes]}
    nvml.close(); nvml.close()
except NvmlProblem as problem:
    answer = {"state": problem.state, "message": problem.message}
sys.stdout.buffer.write(msgspec.json.encode(answer))
"""


def _ask(environment: Any) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, "-c", ASK], env=environment, cwd=ROOT, check=True, capture_output=True, timeout=patient(30)
    )
    return msgspec.json.decode(done.stdout)


def _gpus(answer: Any) -> list[GpuReading]:
    return msgspec.convert(answer["gpus"], list[GpuReading])


def test_every_reading_of_a_healthy_gpu(with_stub: Any) -> None:
    """Units are those of the wire: percent, bytes, watts, joules, megahertz, words."""
    [gpu] = _gpus(_ask(with_stub()))
    assert gpu == GpuReading(
        index=0,
        uuid="GPU-stub-0",
        name="NVIDIA Stub 24GB",
        util_pct=83,
        mem_util_pct=40,
        mem_total=24 << 30,
        mem_used=7 << 30,
        power_w=287,
        power_limit_w=350,
        temp_c=71,
        clock_sm_mhz=1980,
        clock_mem_mhz=10501,
        throttle=["power cap", "software thermal slowdown"],
        energy_j=pytest.approx(123456.789),
    )


def test_memory_of_processes(with_stub: Any) -> None:
    """A process that computes and draws counts once; memory the driver does not tell is None."""
    processes = msgspec.convert(_ask(with_stub())["processes"], list[GpuProcess])
    assert {(item.gpu, item.pid, item.run, item.mem_bytes) for item in processes} == {
        (0, 4242, None, 6 << 30),
        (0, 4243, None, None),
        (0, 4244, None, 1 << 20),
    }


def test_unsupported_readings_are_not_available(with_stub: Any) -> None:
    """What a GPU does not support is None; the rest is there, and it is no error."""
    [gpu] = _gpus(_ask(with_stub(STUB_UNSUPPORTED="1")))
    assert (gpu.util_pct, gpu.power_w, gpu.energy_j, gpu.throttle, gpu.clock_sm_mhz) == (None,) * 5
    assert (gpu.mem_used, gpu.temp_c, gpu.error) == (7 << 30, 71, None)


def test_one_lost_gpu_of_eight_hides_only_itself(with_stub: Any) -> None:
    """The other seven keep their readings; the lost one says what happened."""
    answer = _ask(with_stub(STUB_GPUS="8", STUB_LOST="3"))
    gpus = _gpus(answer)
    assert [gpu.index for gpu in gpus] == list(range(8))
    assert [gpu.index for gpu in gpus if gpu.error] == [3]
    assert "lost" in (gpus[3].error or "")
    assert gpus[3].util_pct is None
    assert {item["gpu"] for item in answer["processes"]} == {0, 1, 2, 4, 5, 6, 7}


def test_driver_not_loaded(with_stub: Any) -> None:
    """A library without its driver is no error, but a sentence."""
    answer = _ask(with_stub(STUB_NO_DRIVER="1"))
    assert (answer["state"], "not loaded" in answer["message"]) == ("none", True)


def test_no_gpu_behind_the_driver(with_stub: Any) -> None:
    """A driver that finds no GPU is no error either."""
    answer = _ask(with_stub(STUB_GPUS="0"))
    assert (answer["state"], "no GPU" in answer["message"]) == ("none", True)


def test_reading_before_opening_is_refused() -> None:
    """A gate that is not open says so."""
    with pytest.raises(NvmlProblem, match="not open"):
        Nvml().read(0)
    with pytest.raises(NvmlProblem, match="not open"):
        Nvml().count()
