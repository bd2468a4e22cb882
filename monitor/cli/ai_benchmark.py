"""`watchkeeper ai benchmark`, and what follows from it: `use` applies the winning settings, `tune` searches for them, `reset` undoes that."""

import asyncio
import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from monitor.cli.options import DataDir, Json, client_of, own_service
from monitor.cli.output import BOLD, DIM, clean, paint, print_json, print_table, size
from monitor.cli.services import whoami
from monitor.core import paths
from monitor.core.errors import AgentUnreachable, ConfigError, MonitorError

if TYPE_CHECKING:
    from monitor.api_models.ai import BenchmarkRequest
    from monitor.client.client import Client

POLL_S: Final = 1.0
SAY_AGAIN_S: Final = 10.0
AWAY_S: Final = 20.0
"""An agent that was restarted is back within this; its history then has what was measured."""


def benchmark(
    depth: Annotated[
        str, typer.Option("--depth", metavar="DEPTH", help="How thorough: quick, standard or full.")
    ] = "standard",
    kind: Annotated[
        str, typer.Option("--kind", metavar="KIND", help="What to compare: auto, engines, settings or self-check.")
    ] = "auto",
    backend: Annotated[
        list[str] | None,
        typer.Option("--backend", "-b", metavar="ENGINE", help="Measure this engine only. Repeatable."),
    ] = None,
    seconds: Annotated[
        float | None, typer.Option("--seconds", metavar="SECONDS", min=1, help="Time to spend on measuring speed.")
    ] = None,
    postings: Annotated[
        int | None,
        typer.Option("--postings", metavar="COUNT", min=0, help="Labelled postings to measure quality on."),
    ] = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Measure which engine is fastest on this machine.

    Progress goes to standard error, the verdict to standard output. Ctrl-C cancels and reports what was measured.
    """
    from pydantic import ValidationError

    from monitor.api_models.ai import BenchmarkRequest

    try:
        wanted = BenchmarkRequest.model_validate(
            {"depth": depth, "kind": kind, "backends": backend or None, "budget_s": seconds, "postings": postings}
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(
            f"{first['loc'][0]}: {first['msg'].lower()}",
            hint="`watchkeeper ai benchmark --help` lists the allowed values",
        ) from error
    teller = Teller()
    try:
        with client_of(data_dir) as client:
            report = _followed(client, client.ai.start_benchmark(wanted), teller)
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
    """Progress on standard error: a single changing line on a terminal, else a line per step and every ten seconds.

    Args:
        clock: seconds, monotonic.
        words: the progress in words; it has `phase` or `status`.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, words: Callable[[dict[str, Any]], str] | None = None
    ) -> None:
        self._clock = clock
        self._words = words or _progress
        self._line = sys.stderr.isatty()
        self._phase = ""
        self._said = 0.0
        self._drawn = False
        self._verdict = ""

    def tell(self, now: dict[str, Any]) -> None:
        """Show the current progress."""
        words, phase = self._words(now), now.get("phase") or now.get("status") or ""
        self._tell_verdict(now)
        if self._line:
            width = shutil.get_terminal_size().columns - 1
            print(f"\r\x1b[K{words[:width]}", end="", file=sys.stderr, flush=True)
            self._drawn = True
        elif phase != self._phase or self._clock() - self._said >= SAY_AGAIN_S:
            self._phase, self._said = phase, self._clock()
            print(words, file=sys.stderr, flush=True)

    def _tell_verdict(self, now: dict[str, Any]) -> None:
        """The verdict on speed stays on the terminal as soon as it stands; quality is measured after it."""
        verdict = now.get("verdict") or ""
        if verdict and verdict != self._verdict:
            self._verdict = verdict
            self.end()
            self._drawn = False
            print(clean(f"Verdict on speed: {verdict}"), file=sys.stderr, flush=True)

    def end(self) -> None:
        """Clear the line before the verdict is printed."""
        if self._drawn:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _progress(now: dict[str, Any]) -> str:
    """The progress in words, most important part first, because a narrow terminal cuts the end."""
    left = ""
    if now.get("verdict_left_s"):
        left = f"verdict in {_time(now['verdict_left_s'])}"
    elif now.get("left_s"):
        left = f"{_time(now['left_s'])} left"
    steps = now.get("steps") or []
    at = next((i for i, step in enumerate(steps, 1) if step["state"] == "now"), 0)
    step = f"[{at}/{len(steps)}] " if at else ""
    rates = " · ".join(
        f"{f['backend']} {f['tokens_per_s']:.0f} tokens/s" for f in now.get("figures", []) if f["tokens_per_s"]
    )
    return step + "  ".join(clean(part) for part in (now["message"], left, rates) if part)


def _time(seconds: float) -> str:
    return f"about {seconds:.0f} s" if seconds < 90 else f"about {seconds / 60:.0f} min"


def _followed(client: "Client", started: str, teller: Teller) -> dict[str, Any]:
    """Follow a benchmark to its end. Ctrl-C cancels it and waits for the partial report.

    Raises:
        MonitorError: it failed, or the agent ended meanwhile and did not come back.
    """
    here = time.monotonic()
    while True:
        try:
            now = client.ai.benchmark()
            if now.state == "failed" and not now.verdict and now.id == started:
                raise MonitorError(now.error or "the benchmark failed", hint=now.hint)
            if now.state != "running" or now.id != started:
                report: dict[str, Any] = client.get_json(f"/v1/ai/benchmarks/{started}")
                return report
            here = time.monotonic()
            teller.tell(now.model_dump())
            time.sleep(POLL_S)
        except KeyboardInterrupt:
            print("\ncancelling…", file=sys.stderr, flush=True)
            client.ai.cancel_benchmark()
        except AgentUnreachable as error:
            if time.monotonic() - here > AWAY_S:
                hint = "what was measured is in the history once the agent runs again"
                raise MonitorError("the agent ended while it measured", hint=hint) from error
            time.sleep(POLL_S)


async def _own_benchmark(wanted: "BenchmarkRequest", teller: Teller, data: Path) -> dict[str, Any]:
    import signal

    async with own_service(data) as service:
        await service.benchmarks.start(wanted)
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, service.benchmarks.cancel)
        while service.benchmarks.running:
            teller.tell(service.benchmarks.state().model_dump())
            await asyncio.sleep(POLL_S)
        report = await service.benchmarks.wait()
        if report is None:
            now = service.benchmarks.state()
            raise MonitorError(now.error or "the benchmark failed", hint=now.hint)
        return (await service.history.whole(report)).model_dump(mode="json")


def _print_report(report: dict[str, Any]) -> None:
    print(paint(clean(report["sentence"]), BOLD))
    if report["hypothesis"]["sentence"]:
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
        print(f"To apply them: watchkeeper ai use {report['id']}")


def use(
    benchmark: Annotated[str, typer.Argument(metavar="BENCHMARK", help="ID of a benchmark of kind settings.")],
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Apply the engine settings that won a benchmark.

    The engine loads its model with these settings from now on; `watchkeeper ai reset` undoes that.
    """
    with client_of(data_dir) as client:
        _print_in_use(client.ai.use(benchmark).model_dump(), as_json=as_json)


def reset(
    backend: Annotated[str, typer.Argument(metavar="ENGINE", help="Name of an engine.")] = "llamacpp",
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Return an engine to its default settings."""
    with client_of(data_dir) as client:
        _print_in_use(client.ai.reset(backend).model_dump(), as_json=as_json)


def tune(
    engine: Annotated[str, typer.Argument(metavar="ENGINE", help="Name of an engine.")] = "llamacpp",
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Find the fastest settings of the embedded engine here.

    Takes about 15 seconds: threads, cache type, flash attention and batch size. What is faster is used from now on; `watchkeeper ai reset` undoes that.
    """
    with client_of(data_dir) as client:
        found = client.ai.tune(engine, by=whoami())
    if as_json:
        print_json(found.model_dump())
        return
    rows = [(row.kind, row.settings, _rate(row.generate), _rate(row.read)) for row in found.tried]
    print_table(("varied", "settings", "tokens/s", "prompt tokens/s"), rows, right=frozenset({2, 3}))
    print(clean(found.sentence))


def _rate(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"


def _print_in_use(found: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(found)
    else:
        print(clean(found["sentence"]))
