"""`watchkeeper ai benchmark`, and what follows from it: its winner taken over, and the way back."""

import asyncio
import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from monitor import paths
from monitor.cli_ai_desk import DataDir, Json, client_of, own_desk
from monitor.cli_out import BOLD, DIM, clean, paint, print_json, print_table, size
from monitor.errors import AgentUnreachable, ConfigError, MonitorError

if TYPE_CHECKING:
    from monitor.ai_models import BenchmarkRequest
    from monitor.client import Client

POLL_S: Final = 1.0
SAY_AGAIN_S: Final = 10.0


def benchmark(
    depth: Annotated[str, typer.Option("--depth", help="quick, standard or full.")] = "standard",
    kind: Annotated[str, typer.Option("--kind", help="auto, engines, settings or self-check.")] = "auto",
    backend: Annotated[
        list[str] | None, typer.Option("--backend", "-b", help="Only these engines; may be repeated.")
    ] = None,
    seconds: Annotated[float | None, typer.Option("--seconds", min=1, help="Time for the pairs.")] = None,
    postings: Annotated[
        int | None, typer.Option("--postings", min=0, help="Labelled postings to measure quality on.")
    ] = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Which engine is fastest here, with an interval. Progress on standard error, the verdict on standard output; Ctrl-C cancels."""
    from pydantic import ValidationError

    from monitor.ai_models import BenchmarkRequest

    try:
        wanted = BenchmarkRequest.model_validate(
            {"depth": depth, "kind": kind, "backends": backend or None, "budget_s": seconds, "postings": postings}
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(
            f"{first['loc'][0]}: {first['msg'].lower()}", hint="`watchkeeper ai benchmark --help` lists what is allowed"
        ) from error
    teller = Teller()
    try:
        with client_of(data_dir) as client:
            report = _followed(client, wanted, teller)
    except AgentUnreachable:
        report = asyncio.run(_own_benchmark(wanted, teller, paths.data_dir(data_dir, os.environ)))
    teller.end()
    if as_json:
        print_json(report)
    else:
        _print_report(report)
    if report["state"] != "done":
        raise typer.Exit(130 if report["state"] == "cancelled" else 6)


class Teller:
    """Progress on standard error: one line that changes on a terminal, else a line a step and one every ten seconds.

    Args:
        clock: seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._line = sys.stderr.isatty()
        self._phase = ""
        self._said = 0.0
        self._drawn = False

    def tell(self, now: dict[str, Any]) -> None:
        """Show where it is."""
        words = _progress(now)
        if self._line:
            width = shutil.get_terminal_size().columns - 1
            print(f"\r\x1b[K{words[:width]}", end="", file=sys.stderr, flush=True)
            self._drawn = True
        elif now["phase"] != self._phase or self._clock() - self._said >= SAY_AGAIN_S:
            self._phase, self._said = now["phase"], self._clock()
            print(words, file=sys.stderr, flush=True)

    def end(self) -> None:
        """Leave the line empty: the verdict follows."""
        if self._drawn:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _progress(now: dict[str, Any]) -> str:
    """Where a benchmark is, the most important first: a narrow terminal shows the beginning."""
    left = f"{now['left_s']:.0f} s left" if now.get("left_s") else ""
    steps = now.get("steps") or []
    at = next((i for i, step in enumerate(steps, 1) if step["state"] == "now"), 0)
    step = f"[{at}/{len(steps)}] " if at else ""
    rates = " · ".join(
        f"{f['backend']} {f['tokens_per_s']:.0f} tokens/s" for f in now.get("figures", []) if f["tokens_per_s"]
    )
    return step + "  ".join(clean(part) for part in (now["message"], left, rates) if part)


def _followed(client: "Client", wanted: "BenchmarkRequest", teller: Teller) -> dict[str, Any]:
    """Begin, and follow to the end; Ctrl-C cancels and waits for what was measured."""
    started = client.ai.start_benchmark(wanted)
    while True:
        try:
            now = client.ai.benchmark()
            if now.state != "running":
                break
            teller.tell(now.model_dump())
            time.sleep(POLL_S)
        except KeyboardInterrupt:
            print("\ncancelling…", file=sys.stderr, flush=True)
            client.ai.cancel_benchmark()
    if now.state == "failed" and not now.verdict:
        raise MonitorError(now.error or "the benchmark failed", hint=now.hint)
    report: dict[str, Any] = client.get_json(f"/v1/ai/benchmarks/{started}")
    return report


async def _own_benchmark(wanted: "BenchmarkRequest", teller: Teller, data: Path) -> dict[str, Any]:
    import signal

    from ai.service.options import BenchmarkOptions

    async with own_desk(data) as desk:
        await desk.benchmarks.start(BenchmarkOptions.model_validate(wanted.model_dump()))
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, desk.benchmarks.cancel)
        while desk.benchmarks.running:
            teller.tell(desk.benchmarks.state())
            await asyncio.sleep(POLL_S)
        report = await desk.benchmarks.wait()
        if report is None:
            now = desk.benchmarks.state()
            raise MonitorError(now["error"] or "the benchmark failed", hint=now["hint"])
        return await desk.past.whole(report)


def _print_report(report: dict[str, Any]) -> None:
    print(paint(clean(report["sentence"]), BOLD))
    print(clean(report["hypothesis"]["sentence"]))
    for note in report["notes"]:
        print(paint(clean(note), DIM))
    rows = []
    notes: dict[str, None] = {}
    for contender in report["contenders"]:
        metrics, name = contender["metrics"], clean(contender["name"])

        def shown(key: str, factor: float, unit: str, metrics: dict[str, Any] = metrics, name: str = name) -> str:
            value = (metrics.get(key) or {}).get("value")
            if value is None:
                return "-"
            note = metrics[key].get("note")
            if note:
                notes[f"* {name}: {clean(note)}"] = None
            return f"{value * factor:,.1f} {unit}{'*' if note else ''}"

        memory = (metrics.get("memory_peak") or {}).get("value")
        rows.append(
            (
                name,
                shown("first_token", 1e3, "ms"),
                shown("generation", 1, "tokens/s"),
                shown("total", 1, "s"),
                size(memory),
            )
        )
    print_table(("engine", "first token", "generation", "answer", "peak memory"), rows, right=frozenset({1, 2, 3, 4}))
    for note in notes:
        print(paint(note, DIM))
    print(paint(f"benchmark {report['id']}", DIM))
    offer = report.get("offer")
    if offer and not offer["taken"]:
        print(clean(offer["sentence"]))
        print(f"Use them: watchkeeper ai use {report['id']}")


def use(
    benchmark: Annotated[str, typer.Argument(help="The id of a benchmark of settings.", metavar="BENCHMARK")],
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Load a model as the winner of a benchmark of settings was, from now on. `ai reset` is the way back."""
    with client_of(data_dir) as client:
        _print_in_use(client.ai.use(benchmark).model_dump(), as_json=as_json)


def reset(
    backend: Annotated[str, typer.Argument(help="An engine, such as llamacpp.", metavar="ENGINE")] = "llamacpp",
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Back to an engine's own settings."""
    with client_of(data_dir) as client:
        _print_in_use(client.ai.reset(backend).model_dump(), as_json=as_json)


def _print_in_use(found: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(found)
    else:
        print(clean(found["sentence"]))
