"""`watchkeeper ai …`: the engines, a benchmark, an analysis, a plan of memory. All of it works without a running agent too."""

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from monitor import paths
from monitor.cli_out import BOLD, DIM, GREEN, RED, YELLOW, clean, paint, print_json, print_table, size
from monitor.errors import AgentUnreachable, ConfigError, MonitorError

if TYPE_CHECKING:
    from ai.service.desk import AiDesk
    from monitor.ai_models import BenchmarkRequest
    from monitor.client import Client

DataDir = Annotated[
    Path | None, typer.Option("--data-dir", metavar="DIR", help="Where everything is kept (WATCHKEEPER_DATA_DIR).")
]
Json = Annotated[bool, typer.Option("--json", help="Answer in JSON.")]
POLL_S: Final = 1.0
MOST_BYTES: Final = 1_600_000

ai_app = typer.Typer(
    name="ai", help="Model engines: which are here, which is fastest, and what they are good for.", no_args_is_help=True
)


@contextlib.asynccontextmanager
async def own_desk(data: Path) -> AsyncIterator["AiDesk"]:
    """The service in this process, for want of an agent; its workers end with it."""
    from ai.service.desk import AiDesk
    from ai.service.records import NoRecords
    from monitor.agent import look_at_engines
    from monitor.api.ai_desk import MODELS, ai_config
    from monitor.settings import load_settings

    settings = load_settings(paths.config_path(None, os.environ))
    engines = await look_at_engines(settings.engines, [*settings.ai.model_paths, str(data / MODELS)])

    async def found() -> list[dict[str, Any]]:
        return engines

    desk = AiDesk(lambda: ai_config(settings.ai, data if data.is_dir() else None), found, records=NoRecords())
    try:
        yield desk
    finally:
        await desk.close()


def _client(data_dir: Path | None) -> "Client":
    from monitor.client import Client

    return Client.of(paths.data_dir(data_dir, os.environ))


@ai_app.command()
def backends(data_dir: DataDir = None, as_json: Json = False) -> None:
    """Every engine with its state, model, memory and what to do about it, and which one would answer."""
    try:
        with _client(data_dir) as client:
            whole: dict[str, Any] = client.get_json("/v1/ai/backends")
    except AgentUnreachable:
        whole = asyncio.run(_own_backends(paths.data_dir(data_dir, os.environ)))
    if as_json:
        print_json(whole)
        return
    colours = {"ready": GREEN, "idle": GREEN, "error": RED}
    for row in whole["backends"]:
        where = f" at {clean(row['address'])}" if row["address"] else ""
        print(f"{paint(row['state'].ljust(8), colours.get(row['state'], YELLOW))} {row['label']}{where}")
        print(f"         {clean(row['detail'])}")
        if row["usable"]:
            held = (row["memory"] or {}).get("rss")
            memory = f"holds {size(held['value'])}" if held else "not loaded"
            predicted = f", predicted {size(row['memory_predicted'])}" if row["memory_predicted"] else ""
            print(f"         model {clean(row['model'])}, {memory}{predicted}")
        if row["remedy"]:
            print(f"         → {clean(row['remedy'])}")
    print(clean(whole["choice"]["sentence"]))


async def _own_backends(data: Path) -> dict[str, Any]:
    async with own_desk(data) as desk:
        return await desk.backends()


@ai_app.command()
def analyze(
    file: Annotated[str, typer.Argument(help="A file with a job posting; - reads it from standard input.")],
    rules: Annotated[bool, typer.Option("--rules", help="Ask no engine: rules alone.")] = False,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """What a job posting says. An engine answers where one can, else rules do; `backend` says who did."""
    text = _posting(file)
    if rules:
        from ai.analysis import analyze_job_content

        result = analyze_job_content(text).model_dump(mode="json")
    else:
        try:
            with _client(data_dir) as client:
                result = client.ai.analyze(text).model_dump(mode="json")
        except AgentUnreachable:
            result = asyncio.run(_own_analysis(text, paths.data_dir(data_dir, os.environ)))
    if as_json:
        print_json(result)
    else:
        _print_analysis(result)


async def _own_analysis(text: str, data: Path) -> dict[str, Any]:
    async with own_desk(data) as desk:
        return (await desk.analyze(text)).model_dump(mode="json")


def _posting(file: str) -> str:
    """The text to analyse.

    Raises:
        ConfigError: it cannot be read, or is too long for a posting.
    """
    try:
        raw = sys.stdin.buffer.read(MOST_BYTES + 1) if file == "-" else _read(Path(file))
    except OSError as error:
        raise ConfigError(
            f"{file} cannot be read: {error.strerror}", hint="name a text file, or - for standard input"
        ) from error
    if len(raw) > MOST_BYTES:
        raise ConfigError(f"{file} is too long for a posting", hint="cut it to what belongs to one posting")
    return raw.decode("utf-8", "replace")


def _read(path: Path) -> bytes:
    with path.open("rb") as source:
        return source.read(MOST_BYTES + 1)


def _print_analysis(result: dict[str, Any]) -> None:
    from ai.analysis import FIELDS

    rows = []
    for field in FIELDS:
        value = result[field]
        if value is None or value == []:
            continue
        if isinstance(value, dict):
            value = " ".join(
                f"{key} {part:g}" if isinstance(part, float) else str(part)
                for key, part in value.items()
                if part is not None
            )
        rows.append((field.replace("_", " "), ", ".join(map(str, value)) if isinstance(value, list) else str(value)))
    print_table(("field", "value"), rows)
    how = result["provenance"]["how"]
    print(paint(f"by {result['backend']} ({how}) in {result['timing']['total_s']:.1f} s", DIM))
    for attempt in result["provenance"]["attempts"]:
        if attempt["outcome"] not in {"answered", "repaired"}:
            print(paint(f"  {attempt['backend']}: {attempt['outcome']} {clean(attempt['detail'])}", DIM))


@ai_app.command()
def fit(  # noqa: PLR0913, PLR0917 - one parameter an option
    model: Annotated[
        str, typer.Argument(help="A GGUF file, a model folder, or an engine's name; nothing: the model in use.")
    ] = "",
    context: Annotated[int, typer.Option("--context", "-c", min=1, help="Tokens of context a request.")] = 4096,
    parallel: Annotated[int, typer.Option("--parallel", "-p", min=1, help="Requests at the same time.")] = 1,
    kv_type: Annotated[str, typer.Option("--kv-type", help="Type of the cache: f16, q8_0, q4_0, …")] = "f16",
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """What a model would take before it is loaded, and whether that fits. Exit code 1 when it does not."""
    named = str(Path(model).expanduser().absolute()) if model and Path(model).expanduser().exists() else model
    try:
        with _client(data_dir) as client:
            plan = client.ai.fit(named, context=context, parallel=parallel, kv_type=kv_type).model_dump()
    except AgentUnreachable:
        plan = asyncio.run(_own_plan(named, context, parallel, kv_type, paths.data_dir(data_dir, os.environ)))
    if as_json:
        print_json(plan)
    else:
        word = paint("fits", GREEN) if plan["fits"] else paint("does not fit", RED)
        print(f"{plan['model']} {word}: {size(plan['total'])} of {size(plan['available'])} that can be had")
        exact = "" if plan["cache_exact"] else " (at least)"
        rows = [
            ("weights", plan["weights"]),
            (f"cache {plan['kv_type']}{exact}", plan["cache"]),
            ("compute", plan["compute"]),
            ("overhead", plan["overhead"]),
        ]
        print_table(("part", "size"), [(name, size(value)) for name, value in rows], right=frozenset({1}))
        for line in [*plan["notes"], *([plan["remedy"]] if plan["remedy"] else [])]:
            print(clean(line))
    if not plan["fits"]:
        raise typer.Exit(1)


async def _own_plan(model: str, context: int, parallel: int, kv_type: str, data: Path) -> dict[str, Any]:
    async with own_desk(data) as desk:
        return await desk.memory_plan(model, context=context, parallel=parallel, kv_type=kv_type)


@ai_app.command()
def fetch(data_dir: DataDir = None, as_json: Json = False) -> None:
    """Fetch the demonstration model (98 MB) where the installation came without it; checked by its hash."""
    data = paths.data_dir(data_dir, os.environ)
    try:
        with _client(data_dir) as client:
            found = client.ai.fetch_demo().model_dump()
    except AgentUnreachable:
        paths.make_data_dir(data)
        found = asyncio.run(_own_fetch(data))
    if as_json:
        print_json(found)
    else:
        print(f"{clean(found['path'])} ({size(found['size'])})")


async def _own_fetch(data: Path) -> dict[str, Any]:
    async with own_desk(data) as desk:
        return await desk.fetch_demo()


@ai_app.command()
def benchmark(  # noqa: PLR0913, PLR0917 - one parameter an option
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
        with _client(data_dir) as client:
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
    """Progress on standard error: one line that changes on a terminal, else a line a step."""

    def __init__(self) -> None:
        self._last = ""
        self._line = sys.stderr.isatty()

    def tell(self, now: dict[str, Any]) -> None:
        """Show where it is."""
        left = f", about {now['left_s']:.0f} s left" if now.get("left_s") else ""
        rates = " · ".join(
            f"{f['backend']} {f['tokens_per_s']:.1f} tokens/s" for f in now.get("figures", []) if f["tokens_per_s"]
        )
        if self._line:
            print(f"\r\x1b[K{clean(now['message'])}{left}  {clean(rates)}"[:200], end="", file=sys.stderr, flush=True)
        elif now["message"] != self._last:
            print(f"{clean(now['message'])}{left}{'  ' + clean(rates) if rates else ''}", file=sys.stderr, flush=True)
        self._last = now["message"]

    def end(self) -> None:
        """Leave the line."""
        if self._line and self._last:
            print(file=sys.stderr)


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
        return await desk.whole(report)


def _print_report(report: dict[str, Any]) -> None:
    print(paint(clean(report["sentence"]), BOLD))
    print(clean(report["hypothesis"]["sentence"]))
    for note in report["notes"]:
        print(paint(clean(note), DIM))
    rows = []
    for contender in report["contenders"]:
        metrics = contender["metrics"]

        def shown(key: str, factor: float, unit: str, metrics: dict[str, Any] = metrics) -> str:
            value = (metrics.get(key) or {}).get("value")
            return "-" if value is None else f"{value * factor:,.1f} {unit}"

        memory = (metrics.get("memory_peak") or {}).get("value")
        rows.append(
            (
                contender["name"],
                shown("first_token", 1e3, "ms"),
                shown("generation", 1, "tokens/s"),
                shown("total", 1, "s"),
                size(memory),
            )
        )
    print_table(("engine", "first token", "generation", "answer", "peak memory"), rows, right=frozenset({1, 2, 3, 4}))
    print(paint(f"benchmark {report['id']}", DIM))
