"""From the driver's list of processes to a benchmark's flag, through the real sampler and pynvml on the stub of the driver's library."""

from typing import Any

import pytest

from ai.benchmark import ProcWatch
from ai.benchmark.samples.guards import judge_machine
from monitor.agent.ai_runtime import gpu_hints
from monitor.live.snapshot import Snapshot
from monitor.metrics.messages import Tick
from monitor.sampling.process import SamplerProcess
from tests.waiting import wait_until


@pytest.fixture
def stub_snapshot(with_stub: Any, monkeypatch: pytest.MonkeyPatch) -> Snapshot:
    """The machine as the agent knows it, with a GPU on which 4242 holds 6 GiB, 4243 an untold amount, 4244 the megabyte of a desktop."""
    for key, value in with_stub().items():
        monkeypatch.setenv(key, value)
    snapshot = Snapshot()
    sampler = SamplerProcess(
        lambda message: snapshot.accept(message) if isinstance(message, Tick) else None, lambda *_: None, interval_s=0.1
    )
    sampler.start()
    try:
        wait_until(lambda: snapshot.tick is not None and snapshot.tick.gpu.state == "ok")
    finally:
        sampler.stop()
    return snapshot


def test_another_process_on_the_engines_gpu_is_flagged(stub_snapshot: Snapshot) -> None:
    """A measurement of an engine beside which another process computes is "gpu shared"; that of an engine without the GPU is not."""
    hints = gpu_hints(stub_snapshot)
    assert hints is not None
    assert {(h.gpu, h.pid, h.mem_bytes) for h in hints.holders} == {
        (0, 4242, 6 << 30),
        (0, 4243, None),
        (0, 4244, 1 << 20),
    }
    watch = ProcWatch(gpu=lambda: gpu_hints(stub_snapshot))
    on_gpu = watch.read([4242])
    assert on_gpu.gpu_others == 1
    assert "gpu shared" in judge_machine(on_gpu, watch.read([4242]))
    on_cpu = watch.read([5])
    assert on_cpu.gpu_others is None
    assert "gpu shared" not in judge_machine(on_cpu, watch.read([5]))
