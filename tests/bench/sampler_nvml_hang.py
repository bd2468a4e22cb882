"""What a hung NVML call does to the samples (MEASURES W14).

    python tests/bench/sampler_nvml_hang.py [--quick] [--seconds 30] [--busy 2]

The real sampler process with the real `pynvml` on the stub `libnvidia-ml.so.1` that the tests compile (a C compiler is needed). Three
spans of equal length, beside busy Python processes: the driver answers, a call into it hangs, it answers again. Prints one JSON object with
the error of the distances between samples and the samples missed in each span, and what was said of the GPU.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from monitor.metrics.messages import Tick, read_messages
from tests.bench.sampler_jitter import SPIN, spread

STUB = ROOT / "tests" / "doubles" / "nvml_stub.c"
SPANS = ("answers", "hangs", "answers_again")


def sample(folder: Path, seconds: int) -> list[Tick]:
    """The ticks of the three spans."""
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", str(folder / "libnvidia-ml.so.1"), str(STUB)], check=True)
    flag = folder / "hang"
    environ = {**os.environ, "LD_LIBRARY_PATH": str(folder), "STUB_HANG_FILE": str(flag), "STUB_GPUS": "2"}
    child = subprocess.Popen(
        [sys.executable, "-m", "monitor.sampling"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env=environ,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    ticks: list[Tick] = []
    for message in read_messages(child.stdout):
        if not isinstance(message, Tick):
            continue
        ticks.append(message)
        if message.seq >= seconds and message.seq < 2 * seconds:
            flag.touch()
        else:
            flag.unlink(missing_ok=True)
        if message.seq >= 3 * seconds:
            break
    child.stdin.close()
    child.stdout.close()
    child.wait(10)
    return ticks[1:]  # the first one opens every file


def judge(ticks: list[Tick]) -> dict[str, object]:
    """One span in numbers."""
    errors = [abs((b.mono_ns - a.mono_ns) / 1e6 - 1000 * (b.seq - a.seq)) for a, b in pairwise(ticks)]
    return {
        "samples": len(ticks),
        "missed": ticks[-1].seq - ticks[0].seq + 1 - len(ticks),
        "interval_error_ms": spread(errors),
        "gpu_states": sorted({tick.gpu.state for tick in ticks}),
        "oldest_gpu_reading_s": round(max(tick.gpu.age_s for tick in ticks), 1),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="8 seconds a span instead of 30")
    parser.add_argument("--seconds", type=int)
    parser.add_argument("--busy", type=int, default=2, help="how many busy Python processes")
    options = parser.parse_args()
    seconds = options.seconds or (8 if options.quick else 30)
    busy = [subprocess.Popen([sys.executable, "-c", SPIN]) for _ in range(options.busy)]
    try:
        with tempfile.TemporaryDirectory() as folder:
            ticks = sample(Path(folder), seconds)
    finally:
        for child in busy:
            child.kill()
        for child in busy:
            child.wait()
    spans = [[tick for tick in ticks if tick.seq // seconds == number] for number in range(3)]
    result = {
        "bench": "sampler_nvml_hang",
        "machine": {"cpus": os.cpu_count(), "kernel": platform.release(), "load1": os.getloadavg()[0]},
        "method": f"three spans of {seconds} s at 1 Hz beside {options.busy} busy Python processes",
        **{name: judge(span) for name, span in zip(SPANS, spans, strict=True)},
        "targets": {"interval_error_ms_p99": 25, "missed": 0},
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
