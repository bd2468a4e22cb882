"""Disturbances are flagged, clean measurements are not."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai.benchmark.gpu import GpuHints, GpuHolder, others_on_gpu
from ai.benchmark.reporting.figures import busy_throughout, usable_pairs
from ai.benchmark.samples.guards import Expected, Readings, judge_answer, judge_machine, unfit
from ai.benchmark.watch import GpuMeter, NoMeter, ProcWatch, RaplMeter, best_meter
from ai.core.protocol import Completion
from ai.core.types import Figure, Final, Timings, Usage
from ai.shapes.report import SampleRow

_BEFORE = Readings(
    wall_s=1000, mono_s=50, boot_s=60, cpus=4, busy_s=100, own_s=40, steal_s=1, swap_pages=10, io_stall_s=5, gpu_others=0, engine_pids=(7,)
)  # fmt: skip
_AFTER = replace(_BEFORE, wall_s=1002, mono_s=52, boot_s=62, busy_s=103.9, own_s=43.9)
_EXPECTED = Expected(prompt_tokens=100, max_tokens=8, exact_tokens=True, context=2048, context_wanted=2048)


def _reported(value: float) -> Figure:
    return Figure(value, "reported")


def _done(**changes: object) -> Completion:
    usage = Usage(_reported(100), _reported(8), _reported(0))
    final = Final(0, 1_000_000_000, "length", usage, Timings(total=Figure(1.0, "measured")))
    arrivals = tuple((i * 20_000_000, 4) for i in range(8))
    whole = Completion("words", "", final, arrivals)
    if "arrivals" in changes:
        return replace(whole, arrivals=changes["arrivals"])
    return replace(whole, final=replace(final, **changes))


_MACHINE: dict[str, tuple[str, Callable[[Readings], Readings]]] = {
    "neighbour load": ("neighbour load", lambda r: replace(r, busy_s=107.0)),
    "steal": ("cpu steal", lambda r: replace(r, steal_s=2.0)),
    "throttling": ("throttled", lambda r: replace(r, throttle=("sw thermal slowdown",))),
    "swap": ("swapping", lambda r: replace(r, swap_pages=500)),
    "io": ("io pressure", lambda r: replace(r, io_stall_s=6.0)),
    "clock set forward": ("clock jump", lambda r: replace(r, wall_s=4602)),
    "clock set back": ("clock jump", lambda r: replace(r, wall_s=900)),
    "suspend": ("suspended", lambda r: replace(r, boot_s=3662, wall_s=4602)),
    "another process on the gpu": ("gpu shared", lambda r: replace(r, gpu_others=1)),
    "engine restarted": ("engine restarted", lambda r: replace(r, engine_pids=(9,))),
}
_ANSWERS: dict[str, tuple[str, dict[str, object]]] = {
    "prompt cache": ("prompt cache hit", {"usage": Usage(_reported(100), _reported(8), _reported(99))}),
    "truncated, as told": ("prompt truncated", {"truncated": True}),
    "truncated, as counted": ("prompt truncated", {"usage": Usage(_reported(50), _reported(8), _reported(0))}),
    "stopped early": (
        "unexpected stop",
        {"usage": Usage(_reported(100), _reported(3), _reported(0)), "finish_reason": "stop"},
    ),
    "more tokens than asked": ("wrong token count", {"usage": Usage(_reported(100), _reported(60), _reported(0))}),
    "more prompt than sent": ("wrong token count", {"usage": Usage(_reported(400), _reported(8), _reported(0))}),
    "no usage": ("usage missing", {"usage": Usage()}),
    "loaded meanwhile": ("cold load", {"timings": Timings(load=_reported(2.0))}),
    "waited in a queue": ("queued", {"timings": Timings(queue=_reported(1.0))}),
    "timings made up": ("timings not believed", {"timings": Timings(distrust="they are words, not tokens")}),
    "a pause between chunks": (
        "stalled",
        {"arrivals": tuple((i * 20_000_000 + (3_000_000_000 if i > 4 else 0), 4) for i in range(8))},
    ),
}


@pytest.mark.parametrize(("flag", "change"), _MACHINE.values(), ids=_MACHINE)
def test_every_contamination_of_the_machine_is_flagged(flag: str, change: Callable[[Readings], Readings]) -> None:
    """Each injected disturbance of the machine raises its flag, and no other."""
    assert judge_machine(_BEFORE, change(_AFTER)) == [flag]


@pytest.mark.parametrize(("flag", "change"), _ANSWERS.values(), ids=_ANSWERS)
def test_every_contamination_of_an_answer_is_flagged(flag: str, change: dict[str, object]) -> None:
    """Each injected fault of an answer raises its flag, and no other."""
    assert judge_answer(_done(**change), _EXPECTED) == [flag]


def test_a_context_that_was_not_asked_for_is_flagged() -> None:
    """An engine that runs with another context than the plan's is noticed."""
    assert judge_answer(_done(), replace(_EXPECTED, context=4096)) == ["context mismatch"]


@pytest.mark.parametrize(
    ("made", "finish", "flags"),
    [
        (8, "length", []), (8, "stop", []), (5, "stop", []), (1, "stop", ["unexpected stop"]), (5, "length", ["unexpected stop"]),
        (8, "other", ["unexpected stop"]),
    ],
)  # fmt: skip
def test_an_engine_that_cannot_go_past_its_end_may_stop_by_itself_or_by_the_limit(
    made: int, finish: str, flags: list[str]
) -> None:
    """Its answer is fit when all tokens came or it ended by itself with some; not when something else cut it, nor when it hardly began."""
    done = _done(usage=Usage(_reported(100), _reported(made), _reported(0)), finish_reason=finish)
    assert judge_answer(done, replace(_EXPECTED, exact_tokens=False)) == flags


@given(st.floats(0, 0.2), st.floats(0, 0.19), st.integers(0, 60), st.floats(-0.02, 0.02), st.floats(0.3, 20))
def test_a_quiet_machine_is_not_flagged(load: float, steal: float, swap: int, jitter: float, seconds: float) -> None:
    """Small readings of every kind raise nothing, whatever the measurement's length; stolen time counts as a share of all cores."""
    after = replace(
        _BEFORE, wall_s=1000 + seconds + jitter, mono_s=50 + seconds, boot_s=60 + seconds, busy_s=100 + seconds * (1 + load),
        own_s=40 + seconds, steal_s=1 + steal * seconds, swap_pages=10 + swap,
    )  # fmt: skip
    assert judge_machine(_BEFORE, after) == []


def test_a_clean_answer_is_not_flagged() -> None:
    """The expected answer raises nothing, also when the engine tells no token counts of the prompt."""
    assert judge_answer(_done(), _EXPECTED) == []
    assert judge_answer(_done(), replace(_EXPECTED, prompt_tokens=None)) == []


def test_what_is_not_available_raises_no_flag() -> None:
    """Readings that a platform does not have are no contamination."""
    bare = Readings(1, 1, 1, 2)
    assert judge_machine(bare, Readings(2, 2, 2, 2)) == []


def test_only_what_touches_the_measurement_makes_it_unfit() -> None:
    """Missing usage is harmless, load is not, and is pardoned only on a machine that is always busy."""
    assert not unfit(["usage missing", "timings not believed"], "generation")
    assert unfit(["neighbour load"], "generation")
    assert not unfit(["neighbour load"], "generation", accept_environment=True)
    assert unfit(["neighbour load", "queued"], "generation", accept_environment=True)


def test_a_halt_is_pardoned_beside_neighbours_alone() -> None:
    """They halt an answer too, and the engine that they halt more must not look faster for it; without them it is the engine's own."""
    assert unfit(["stalled"], "generation", accept_environment=True)
    assert unfit(["neighbour load", "stalled"], "generation")
    assert not unfit(["neighbour load", "stalled"], "generation", accept_environment=True)


def _rows(flags: list[list[str]]) -> list[SampleRow]:
    """Blocks of two engines, the first answer of each with these flags."""
    return [
        SampleRow(ts=0, block=block, position=at, backend=name, prompt="p", rate=10.0, flags=told if at == 0 else [], used=not told or at > 0)
        for block, told in enumerate(flags)
        for at, name in enumerate(("a", "b", "b", "a"))
    ]  # fmt: skip


def test_disturbed_pairs_are_used_where_the_clean_ones_are_too_few_for_any_verdict() -> None:
    """Five clean pairs of nine have no interval, all nine have one; six have one, and stay by themselves."""
    disturbed, clean = ["neighbour load", "stalled"], list[str]()
    for few, uses in ((5, 9), (6, 6), (0, 9)):
        rows = _rows([clean] * few + [disturbed] * (9 - few))
        assert usable_pairs(rows, "b", "a", "generation") == uses
        assert busy_throughout(rows, "b", "a", "generation") == (uses == 9)


def test_a_prompt_read_before_spoils_what_reading_is_part_of() -> None:
    """The time to the first token and of the whole answer are not those of a fresh prompt; how fast tokens follow is."""
    assert unfit(["prompt cache hit"], "first_token")
    assert unfit(["prompt cache hit"], "total", accept_environment=True)
    assert not unfit(["prompt cache hit"], "generation")


def test_the_real_machine_can_be_read() -> None:
    """On Linux every reading of the processor, swap and clocks is there, and counters do not go back."""
    import os

    holders = tuple(GpuHolder(0, pid, None) for pid in (os.getpid(), 1, 2))
    watch = ProcWatch(gpu=lambda: GpuHints(throttle=("power cap",), holders=holders, energy_j=5.0))
    first = watch.read([os.getpid()])
    second = watch.read([os.getpid()])
    assert first.busy_s is not None
    assert first.own_s is not None
    assert second.busy_s is not None
    assert second.busy_s >= first.busy_s
    assert (second.throttle, second.gpu_others) == (("power cap",), 2)


def test_who_shares_the_gpu_is_counted() -> None:
    """Others on the engine's own GPUs count; a desktop, another GPU's work and waiting contenders do not; unseen is not available."""
    gib = 1024**3
    rival, desktop, elsewhere = GpuHolder(0, 20, 2 * gib), GpuHolder(0, 21, 50_000_000), GpuHolder(1, 22, 8 * gib)
    mine, untold = GpuHolder(0, 10, 6 * gib), GpuHolder(0, 23, None)
    assert others_on_gpu([mine, desktop, elsewhere], [9, 10]) == 0
    assert others_on_gpu([mine, rival, rival, untold, desktop, elsewhere], [10]) == 2
    assert others_on_gpu([mine, GpuHolder(1, 10, gib), rival, elsewhere], [10]) == 2
    assert others_on_gpu([mine, rival], [10], idle=[20]) == 0
    assert others_on_gpu([rival, elsewhere], [10]) is None
    assert others_on_gpu([], []) is None


def test_a_contender_that_waits_shares_nothing() -> None:
    """An engine that was measured before holds its memory still, and is no rival of the next one."""
    holders = (GpuHolder(0, 1_000_001, None), GpuHolder(0, 1_000_002, None))
    watch = ProcWatch(gpu=lambda: GpuHints(holders=holders))
    assert watch.read([1_000_001]).gpu_others == 1
    assert watch.read([1_000_002]).gpu_others == 0
    assert watch.read([1_000_001]).gpu_others == 0


def test_a_missing_proc_is_not_available(tmp_path: Path) -> None:
    """Without the kernel's files everything is None and nothing fails."""
    readings = ProcWatch(proc=tmp_path).read([1])
    assert (readings.busy_s, readings.steal_s, readings.swap_pages, readings.io_stall_s) == (None, None, None, None)


def test_rapl_counters_wrap_around(tmp_path: Path) -> None:
    """Energy goes on growing when the kernel's counter begins again."""
    zone = tmp_path / "intel-rapl:0"
    zone.mkdir()
    (zone / "max_energy_range_uj").write_text("10000000")
    (zone / "energy_uj").write_text("9000000")
    meter = RaplMeter(tmp_path)
    assert meter.read_j() == 0
    (zone / "energy_uj").write_text("1000000")
    assert meter.read_j() == pytest.approx(2.0)


def test_without_a_counter_energy_is_not_measurable(tmp_path: Path) -> None:
    """No estimate stands in for a measurement."""
    assert RaplMeter(tmp_path).read_j() is None
    assert NoMeter().read_j() is None
    assert "not measurable" in NoMeter().source
    assert isinstance(best_meter(lambda: GpuHints(energy_j=1.0)), GpuMeter)
