"""From the driver's list of processes to a benchmark's flag, through the real sampler and pynvml on the stub of the driver's library."""

from typing import Any

import pytest

from ai.benchmark import ProcWatch
from ai.benchmark.guards import judge_machine
from monitor.api.ai_desk import gpu_hints
from monitor.sampling.process import SamplerProcess
from monitor.wire import Tick
from monitor.world import World


@pytest.fixture
def stub_world(with_stub: Any, eventually: Any, monkeypatch: pytest.MonkeyPatch) -> World:
    """The machine as the agent knows it, with a GPU on which 4242 holds 6 GiB, 4243 an untold amount, 4244 the megabyte of a desktop."""
    for key, value in with_stub().items():
        monkeypatch.setenv(key, value)
    world = World()
    sampler = SamplerProcess(
        lambda message: world.accept(message) if isinstance(message, Tick) else None, lambda *_: None, interval_s=0.1
    )
    sampler.start()
    try:
        eventually(lambda: world.tick is not None and world.tick.gpu.state == "ok")
    finally:
        sampler.stop()
    return world


def test_another_process_on_the_engines_gpu_is_flagged(stub_world: World) -> None:
    """A measurement of an engine beside which another process computes is "gpu shared"; that of an engine without the GPU is not."""
    hints = gpu_hints(stub_world)
    assert hints is not None
    assert {(h.gpu, h.pid, h.mem_bytes) for h in hints.holders} == {
        (0, 4242, 6 << 30),
        (0, 4243, None),
        (0, 4244, 1 << 20),
    }
    watch = ProcWatch(gpu=lambda: gpu_hints(stub_world))
    on_gpu = watch.read([4242])
    assert on_gpu.gpu_others == 1
    assert "gpu shared" in judge_machine(on_gpu, watch.read([4242]))
    on_cpu = watch.read([5])
    assert on_cpu.gpu_others is None
    assert "gpu shared" not in judge_machine(on_cpu, watch.read([5]))
