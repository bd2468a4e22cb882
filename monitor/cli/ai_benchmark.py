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

from monitor.cli.core.options import DataDir, Json, client_of, own_service
from monitor.cli.core.output import BOLD, DIM, clean, paint, print_json, print_table, size
from monitor.cli.services import whoami
from monitor.client.prompts import parse_prompts
from monitor.core import paths
from monitor.core.errors import AgentUnreachable, ConfigError, MonitorError

if TYPE_CHECKING:
    from monitor.api_models.ai import BenchmarkRequest
    from monitor.client.client import Client

POLL_S: Final = 1.0
AWAY_S: Final = 20.0
"""An agent that was restarted is back within this; its history then has what was measured."""


def benchmark(
    plan: Annotated[
        str,
        typer.Option(
            "--plan",
            metavar="PLAN",
            help="What to measure: speed (pairs, with a verdict), load (many requests) or lengths (of prompts and answers).",
        ),
    ] = "speed",
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
    model: Annotated[
        list[str] | None,
        typer.Option("--model", "-m", metavar="ENGINE=MODEL", help="Measure this model of an engine. Repeatable."),
    ] = None,
    prompts: Annotated[
        Path | None,
        typer.Option(
            "--prompts",
            metavar="FILE",
            help="Own prompts: JSON lines with a key prompt, or texts between lines of ---.",
        ),
    ] = None,
    seconds: Annotated[
        float | None, typer.Option("--seconds", metavar="SECONDS", min=1, help="Time to spend on measuring speed.")
    ] = None,
    postings: Annotated[
        int | None,
        typer.Option("--postings", metavar="COUNT", min=0, help="Labelled postings to measure quality on."),
    ] = None,
    tokens: Annotated[
        int | None, typer.Option("--tokens", metavar="COUNT", min=2, help="Tokens of each answer.")
    ] = None,
    concurrency: Annotated[
        str | None, typer.Option("--concurrency", "-c", metavar="LIST", help="Requests at the same time: 1,4,16,64.")
    ] = None,
    rate: Annotated[
        str | None, typer.Option("--rate", "-r", metavar="LIST", help="Requests a second, at random times: 0.5,1,2.")
    ] = None,
    level_s: Annotated[
        float | None,
        typer.Option("--level-seconds", metavar="SECONDS", min=0.1, help="How long each of them is kept up."),
    ] = None,
    first_token: Annotated[
        float | None, typer.Option("--first-token", metavar="SECONDS", help="Goodput: the first token within this.")
    ] = None,
    per_token: Annotated[
        float | None, typer.Option("--per-token", metavar="SECONDS", help="Goodput: each further token within this.")
    ] = None,
    whole: Annotated[
        float | None, typer.Option("--whole", metavar="SECONDS", help="Goodput: the whole answer within this.")
    ] = None,
    prompt_lengths: Annotated[
        str | None, typer.Option("-p", "--prompt-lengths", metavar="LIST", help="Tokens to read: 128,512.")
    ] = None,
    answer_lengths: Annotated[
        str | None, typer.Option("-n", "--answer-lengths", metavar="LIST", help="Tokens to generate: 32,128.")
    ] = None,
    both: Annotated[
        list[str] | None,
        typer.Option("--pg", metavar="READ,MAKE", help="Read and generate in one request: 512,128. Repeatable."),
    ] = None,
    depths: Annotated[
        str | None, typer.Option("-d", "--depths", metavar="LIST", help="Tokens read before each of these: 0,4096.")
    ] = None,
    threads: Annotated[
        str | None, typer.Option("-t", "--threads", metavar="LIST", help="Threads of the embedded engine: 1,2.")
    ] = None,
    flash: Annotated[
        str | None, typer.Option("--flash-attention", metavar="LIST", help="On the embedded engine: on,off.")
    ] = None,
    layers: Annotated[
        str | None, typer.Option("--gpu-layers", metavar="LIST", help="Layers on the GPU, embedded engine: 0,99.")
    ] = None,
    cache: Annotated[
        str | None, typer.Option("--cache-type", metavar="LIST", help="Of the embedded engine: f16,q8_0.")
    ] = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Measure which engine is fastest on this machine.

    Other plans measure how many requests it answers at once, and how it takes long prompts.

    Progress goes to standard error, the result to standard output. Ctrl-C cancels and reports what was measured.
    """
    from pydantic import ValidationError

    from monitor.api_models.ai import BenchmarkRequest

    slo = {"first_token_s": first_token, "per_token_s": per_token, "total_s": whole}
    given = {
        "plan": plan, "depth": depth, "kind": kind, "backends": backend or None, "models": model or None, "budget_s": seconds, "postings": postings,
        "prompts": _read_prompts(prompts) if prompts is not None else None, "max_tokens": tokens, "batches": _list(concurrency), "rates": _list(rate),
        "level_s": level_s, "slo": {key: value for key, value in slo.items() if value is not None} or None,
        "lengths": _lengths(prompt_lengths, answer_lengths, both or [], depths), "threads": _list(threads), "flash_attention": _list(flash),
        "gpu_layers": _list(layers), "kv_types": _list(cache),
    }  # fmt: skip
    try:
        wanted = BenchmarkRequest.model_validate(given)
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


def _read_prompts(path: Path) -> list[dict[str, str]]:
    try:
        return parse_prompts(path.read_text("utf-8"), path.stem)
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(f"{path} cannot be read: {why}", hint="Name a text file in UTF-8.") from error


def _list(said: str | None) -> list[str] | None:
    """`1,2` → `["1", "2"]`."""
    return None if said is None else [part.strip() for part in said.split(",") if part.strip()]


def _lengths(
    prompts: str | None, answers: str | None, both: list[str], depths: str | None
) -> list[dict[str, str]] | None:
    """Each length at each depth; None where none was given."""
    tests = [{"prompt": tokens} for tokens in _list(prompts) or []]
    tests += [{"answer": tokens} for tokens in _list(answers) or []]
    tests += [dict(zip(("prompt", "answer"), _list(pair) or [], strict=False)) for pair in both]
    return [{**test, "depth": depth} for depth in _list(depths) or ["0"] for test in tests] or None


class Teller:
    """Progress on standard error: a single changing line on a terminal. Elsewhere (CI, cron, a file) a line for each step, as it begins: what has come
    once does not come again.

    Args:
        words: the progress in words; it has `phase` or `status`.
    """

    def __init__(self, words: Callable[[dict[str, Any]], str] | None = None) -> None:
        self._words = words or _progress
        self._line = sys.stderr.isatty()
        self._begun: set[str] = set()
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
        elif phase not in self._begun:
            self._begun.add(phase)
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
    if report["plan"]["pairs"]:
        _print_speed(report)
    _print_lengths(report)
    _print_levels(report)
    print(paint(f"benchmark {report['id']}", DIM))
    offer = report.get("offer")
    if offer and not offer["taken"]:
        print(clean(offer["sentence"]))
        print(f"To apply them: watchkeeper ai use {report['id']}")


def _print_speed(report: dict[str, Any]) -> None:
    """A line of figures for each engine, and what must be said of them."""
    rows = []
    notes: dict[str, None] = {}
    thinks = any((c["metrics"].get("first_answer") or {}).get("value") is not None for c in report["contenders"])
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
        answer = [shown("first_answer", 1, "s")] if thinks else []
        rows.append([name, shown("first_token", 1e3, "ms"), *answer, shown("generation", 1, "tokens/s"), shown("total", 1, "s"), size(memory)])  # fmt: skip
    heads = ["engine", "first token", *(["after thoughts"] if thinks else []), "generation", "answer", "peak memory"]
    print_table(heads, rows, right=frozenset(range(1, len(heads))))
    for note in notes:
        print(paint(note, DIM))


def _print_lengths(report: dict[str, Any]) -> None:
    """The table of lengths, as llama-bench prints it."""
    rows = [
        [
            clean(contender["name"]), row["test"], _rate_of(row["prompt_rate"], row["prompt_deviation"]), _rate_of(row["rate"], row["deviation"]),
            _seconds(row["first_token_s"]), _seconds(row["warm_first_token_s"]), clean(row["note"]),
        ]
        for contender in report["contenders"]
        for row in contender["lengths"]
    ]  # fmt: skip
    if rows:
        heads = ("engine", "test", "reads tokens/s", "makes tokens/s", "first token", "warm", "")
        print_table(heads, rows, right=frozenset({2, 3, 4, 5}))


def _print_levels(report: dict[str, Any]) -> None:
    """Requests at the same time and a second; with a plan for speed that is one line each, too."""
    levels = [(clean(c["name"]), row) for c in report["contenders"] for row in [*c["batches"], *c["rates"]]]
    thinks = any(row.get("first_answer_p95_s") is not None for _, row in levels)
    rows = [
        [
            name, f"{row['rate']:g}/s" if "rate" in row else f"{row['batch']} at once", _rate_of(row["tokens_per_s"], None),
            _rate_of(row["goodput_rps"], None), f"{row['good']} of {row['requests']}", _seconds(row["ttft_p95_s"]),
            *([_seconds(row.get("first_answer_p95_s"))] if thinks else []), _seconds(row["total_p50_s"]), _seconds(row["total_p95_s"]), clean(row["note"]),
        ]
        for name, row in levels
    ]  # fmt: skip
    if rows:
        after = ["after thoughts p95"] if thinks else []
        heads = ["engine", "requests", "tokens/s", "good/s", "good", "first token p95", *after, "answer p50", "p95", ""]
        print_table(heads, rows, right=frozenset(range(2, len(heads) - 1)))


def _rate_of(value: float | None, deviation: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.1f}" if deviation is None else f"{value:,.1f} ± {deviation:,.1f}"


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value * 1e3:,.0f} ms" if value < 1 else f"{value:,.2f} s"


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
