"""What a tab makes of the live socket's frames."""

from typing import Any

from tests.doubles.node import run_script

TAB = """
const frames = given;
globalThis.document = { hidden: false, addEventListener() {} };
globalThis.addEventListener = () => {};
globalThis.setInterval = () => 0;
globalThis.requestAnimationFrame = (draw) => draw();
globalThis.WebSocket = class {
  static OPEN = 1;
  readyState = 1;
  constructor() { globalThis.wire = this; }
  send() {}
};
const { live } = await load("live/hub");
const hub = live();
hub.subscribe({ host: true });
wire.onopen();
for (const frame of frames) wire.onmessage({ data: JSON.stringify(frame) });
"""


def tick(seq: int, **more: Any) -> dict[str, Any]:
    """A reading with one busy GPU."""
    gpu = {"index": 0, "util_pct": 83, "mem_used": 7}
    return {
        "t": "tick",
        "seq": seq,
        "ts": seq * 1_000_000,
        "host": {"cpu_pct": seq},
        "gpus": [gpu],
        "gpu_state": "ok",
    } | more


def test_a_gpu_that_does_not_answer_is_a_gap() -> None:
    """Its last reading comes with every frame, for the card; the line breaks, and goes on with the next answer."""
    hung = {"gpu_state": "stale", "gpu_message": "No answer.", "gpu_fresh": False}
    series, newest, gpus = run_script(
        TAB + 'return [hub.ring.series, hub.ring.newest("gpu0.util_pct"), hub.tick.gpus.length];',
        [tick(1, gpu_fresh=True), tick(2, **hung), tick(3, **hung)],
    )
    assert series["gpu0.util_pct"] == [83, None, None]
    assert series["cpu_pct"] == [1, 2, 3]
    assert (newest, gpus) == (83, 1)
    back, _ = run_script(
        TAB + 'return [hub.ring.series["gpu0.util_pct"], 0];', [tick(1, **hung), tick(2, gpu_fresh=True)]
    )
    assert back == [None, 83]


def test_missing_samples_break_the_lines() -> None:
    """Between two readings that have others missing between them stands an empty one."""
    assert run_script(TAB + 'return hub.ring.series["cpu_pct"];', [tick(1), tick(4)]) == [1, None, 4]
