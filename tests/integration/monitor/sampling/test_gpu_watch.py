"""The thread that asks for GPUs: what it remembers, when it calls it stale, how seldom it looks for a driver."""

import dataclasses
import os
import threading
from typing import Any

import pytest

from monitor.metrics.catalogue import GpuReading
from monitor.metrics.messages import GpuProcess, Tick
from monitor.sampling.gpu.nvml import GpuReport, NvmlProblem
from monitor.sampling.gpu.watch import LONGEST_PAUSE_S, GpuWatch
from monitor.sampling.process import SamplerProcess
from tests.waiting import patient, wait_until

READING = GpuReading(0, "u", "n", util_pct=5.0)


class ScriptedGate:
    """A gate that does what its test wants, and counts."""

    def __init__(self, gpus: int = 1) -> None:
        self.gpus = gpus
        self.hung: set[int] = set()
        self.problem: NvmlProblem | None = None
        self.opened = self.closed = self.reads = 0
        self.go_on = threading.Event()
        self.go_on.set()

    def open(self) -> None:
        """Count, or fail."""
        self.opened += 1
        if self.problem is not None:
            raise self.problem

    def count(self) -> int:
        """As many as the test says."""
        return self.gpus

    def read(self, index: int) -> GpuReport:
        """Answer, hang, or fail."""
        self.reads += 1
        if not self.hung or index in self.hung:
            assert self.go_on.wait(patient(20))
        if self.problem is not None:
            raise self.problem
        reading = dataclasses.replace(READING, index=index)
        return GpuReport(reading, [GpuProcess(index, 100 + index, None, 1 << 20)])

    def close(self) -> None:
        """Count."""
        self.closed += 1


@pytest.fixture
def gate() -> Any:
    """A gate that answers, and that lets go at the end."""
    made = ScriptedGate()
    yield made
    made.go_on.set()


def test_ok_then_stale_then_ok(gate: Any) -> None:
    """A call that hangs makes the state stale, with its age and the last readings; the answer heals it."""
    watch = GpuWatch(gate, interval_s=0.02)
    watch.start()
    wait_until(lambda: watch.latest().state == "ok")
    gate.go_on.clear()
    stale = wait_until(lambda: (state := watch.latest()).state == "stale" and state)
    assert stale.gpus == [READING]
    assert not stale.fresh
    assert "not answered" in stale.message
    older = wait_until(lambda: (state := watch.latest()).age_s > stale.age_s and state)
    assert older.state == "stale"
    gate.go_on.set()
    wait_until(lambda: watch.latest().state == "ok")
    watch.stop()


def test_an_old_answer_is_no_reading_of_this_moment() -> None:
    """From the second interval without an answer on, readings are not fresh, before the driver is said to hang."""
    now = [0.0]
    gate = ScriptedGate()
    gate.go_on.clear()
    watch = GpuWatch(gate, interval_s=1.0, clock=lambda: now[0])
    watch.start()
    gate.go_on.set()
    wait_until(lambda: watch.latest().state == "ok")
    gate.go_on.clear()
    wait_until(lambda: gate.reads == 2)
    now[0] = 2.0
    assert watch.latest().fresh
    now[0] = 2.5
    assert (watch.latest().state, watch.latest().fresh) == ("ok", False)
    now[0] = 4.0
    assert (watch.latest().state, watch.latest().fresh) == ("stale", False)
    gate.go_on.set()
    wait_until(lambda: watch.latest().fresh)
    watch.stop()


def test_a_gpu_that_hangs_hides_only_itself() -> None:
    """The others go on with fresh readings; the one that hangs says so and has none, nor its processes; then it is back."""
    gate = ScriptedGate(gpus=4)
    gate.hung = {2}
    watch = GpuWatch(gate, interval_s=0.02)
    watch.start()
    wait_until(lambda: watch.latest().state == "ok" and len(watch.latest().gpus) == 4)
    gate.go_on.clear()
    state = wait_until(lambda: (state := watch.latest()).state == "ok" and state.gpus[2].error and state)
    assert "does not answer" in state.gpus[2].error
    assert (state.gpus[2].name, state.gpus[2].util_pct) == ("n", None)
    wait_until(lambda: watch.latest().fresh)
    reads = gate.reads
    wait_until(lambda: gate.reads > reads + 9)
    state = wait_until(lambda: (state := watch.latest()).fresh and len(state.processes) == 3 and state)
    assert [gpu.util_pct for gpu in state.gpus] == [5.0, 5.0, None, 5.0]
    assert {one.gpu for one in state.processes} == {0, 1, 3}
    gate.go_on.set()
    wait_until(lambda: [gpu.util_pct for gpu in watch.latest().gpus] == [5.0] * 4)
    watch.stop()


def test_a_late_gpu_has_no_readings_rather_than_old_ones() -> None:
    """Before it is said to hang, a GPU that is late is a gap, while the others are read."""
    now = [0.0]
    gate = ScriptedGate(gpus=2)
    gate.hung = {1}
    watch = GpuWatch(gate, interval_s=0.05, clock=lambda: now[0])
    watch.start()
    wait_until(lambda: watch.latest().state == "ok")
    gate.go_on.clear()
    reads = gate.reads
    wait_until(lambda: gate.reads > reads + 4)
    now[0] = 0.12
    late = wait_until(lambda: (state := watch.latest()).fresh and state.gpus[0].util_pct and state)
    assert (late.state, late.gpus[1].util_pct, late.gpus[1].error) == ("ok", None, None)
    gate.go_on.set()
    wait_until(lambda: watch.latest().gpus[1].util_pct == 5.0)
    watch.stop()


def test_gpus_that_come_and_go_are_followed() -> None:
    """The number of GPUs is asked for again and again."""
    gate = ScriptedGate(gpus=2)
    watch = GpuWatch(gate, interval_s=0.02)
    watch.start()
    for count in (2, 3, 1):
        gate.gpus = count
        wait_until(lambda count=count: [gpu.index for gpu in watch.latest().gpus] == list(range(count)))
    watch.stop()


def test_no_driver_is_not_asked_again_and_again(gate: Any) -> None:
    """Without a driver there is one sentence, and the next try waits a minute."""
    gate.problem = NvmlProblem("none", "No driver.")
    watch = GpuWatch(gate, interval_s=0.01)
    watch.start()
    state = wait_until(lambda: (state := watch.latest()).message == "No driver." and state)
    assert (state.state, state.age_s, state.gpus) == ("none", 0.0, [])
    assert not threading.Event().wait(0.2)
    assert gate.opened == 1
    watch.stop()


def test_pauses_grow_to_a_limit(gate: Any) -> None:
    """Each failed try doubles the pause; a success resets it."""
    gate.problem = NvmlProblem("none", "No driver.")
    watch = GpuWatch(gate, interval_s=0.01, first_pause_s=0.01)
    watch.start()
    wait_until(lambda: gate.opened >= 4)
    gate.problem = None
    wait_until(lambda: watch.latest().state == "ok")
    watch.stop()
    assert LONGEST_PAUSE_S >= 60


def test_a_failing_driver_is_closed_and_opened_again(gate: Any) -> None:
    """An error of NVML as a whole is shown, and the gate is opened anew."""
    watch = GpuWatch(gate, interval_s=0.01, first_pause_s=0.05)
    watch.start()
    wait_until(lambda: watch.latest().state == "ok")
    gate.problem = NvmlProblem("error", "Parts do not match.", hint="Restart the machine.")
    state = wait_until(lambda: (state := watch.latest()).state == "error" and state)
    assert state.message == "Parts do not match. Restart the machine."
    gate.problem = None
    wait_until(lambda: watch.latest().state == "ok")
    assert gate.opened >= 2
    assert gate.closed >= 1
    watch.stop()


def test_a_hung_driver_delays_no_sample(with_stub: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a call into the real pynvml hangs, ticks go on without a hole and say how old the GPU's readings are."""
    hang = tmp_path / "hang"
    for key, value in with_stub(STUB_HANG_FILE=str(hang), STUB_PID=str(os.getpid())).items():
        monkeypatch.setenv(key, value)
    ticks: list[Tick] = []
    sampler = SamplerProcess(
        lambda message: ticks.append(message) if isinstance(message, Tick) else None, lambda *_: None, interval_s=0.1
    )
    sampler.start()
    try:
        tick = wait_until(lambda: ticks and ticks[-1].gpu.state == "ok" and ticks[-1])
        held = {item.pid: item for item in tick.gpu.processes}
        assert held[os.getpid()].run is not None
        assert held[os.getpid()].mem_bytes == 6 << 30
        hang.write_bytes(b"")
        first = wait_until(lambda: ticks[-1].gpu.state == "stale" and ticks[-1], seconds=20)
        wait_until(lambda: ticks[-1].seq >= first.seq + 10)
        during = [tick for tick in ticks if tick.seq >= first.seq]
        assert all(tick.gpu.state == "stale" and not tick.gpu.fresh for tick in during)
        assert during[-1].gpu.age_s > during[0].gpu.age_s
        assert during[-1].gpu.gpus[0].mem_used == 7 << 30
        hang.unlink()
        wait_until(lambda: ticks[-1].gpu.state == "ok")
        assert sampler.restarts == 0
    finally:
        hang.unlink(missing_ok=True)
        sampler.stop()


def test_one_hung_gpu_of_eight_hides_only_itself(
    with_stub: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call for one GPU that hangs in the real pynvml: the other seven have readings in each sample."""
    hang = tmp_path / "hang"
    for key, value in with_stub(STUB_HANG_FILE=str(hang), STUB_HANG="5", STUB_GPUS="8").items():
        monkeypatch.setenv(key, value)
    ticks: list[Tick] = []
    sampler = SamplerProcess(
        lambda message: ticks.append(message) if isinstance(message, Tick) else None, lambda *_: None, interval_s=0.2
    )
    sampler.start()
    try:
        wait_until(lambda: ticks and ticks[-1].gpu.state == "ok" and len(ticks[-1].gpu.gpus) == 8)
        hang.write_bytes(b"")
        first = wait_until(lambda: ticks[-1].gpu.gpus[5].error and ticks[-1], seconds=20)
        wait_until(lambda: ticks[-1].seq >= first.seq + 5)
        during = [tick for tick in ticks if tick.seq >= first.seq]
        assert all(tick.gpu.state == "ok" for tick in during)
        assert {gpu.index for tick in during for gpu in tick.gpu.gpus if gpu.error} == {5}
        assert all(gpu.mem_used is None for tick in during for gpu in tick.gpu.gpus if gpu.index == 5)
        read = [gpu.mem_used for tick in during if tick.gpu.fresh for gpu in tick.gpu.gpus if gpu.index != 5]
        assert read.count(7 << 30) > 0.8 * len(read) > 0
        hang.unlink()
        wait_until(lambda: all(gpu.mem_used == 7 << 30 for gpu in ticks[-1].gpu.gpus))
    finally:
        hang.unlink(missing_ok=True)
        sampler.stop()


def test_a_gpu_lost_while_running_comes_back(with_stub: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU that is lost keeps its name and says why; the tick goes on."""
    flag = tmp_path / "lost"
    for key, value in with_stub(STUB_LOST_FILE=str(flag), STUB_GPUS="2").items():
        monkeypatch.setenv(key, value)
    ticks: list[Tick] = []
    sampler = SamplerProcess(
        lambda message: ticks.append(message) if isinstance(message, Tick) else None, lambda *_: None, interval_s=0.1
    )
    sampler.start()
    try:
        wait_until(lambda: ticks and ticks[-1].gpu.state == "ok")
        flag.write_bytes(b"")
        tick = wait_until(lambda: ticks[-1].gpu.gpus[0].error and ticks[-1])
        assert tick.gpu.gpus[0].name == "NVIDIA Stub 24GB"
        assert tick.gpu.gpus[1].error is None
    finally:
        sampler.stop()
