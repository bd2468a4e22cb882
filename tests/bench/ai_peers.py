"""Our figures of a server beside those of aiperf, on the same server, against its own stamps.

    uv tool install aiperf                      # or an environment of its own
    uv run tests/bench/ai_peers.py --aiperf ~/.local/bin/aiperf [--tokenizer FOLDER]
    uv run tests/bench/ai_peers.py --llama-bench ~/llama.cpp/build/bin/llama-bench

The server (in a process of its own) answers with known delays and stamps what it writes. Each tool asks it one question after another; the errors are of a
tool's mean against the mean of the stamps of its own requests. aiperf's part is absent where it is not given.

With llama-bench, its table of the embedded engine's model stands beside ours instead: both in turn, several times, so that the machine's load meets both. Prints
one JSON object.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from ai.backends.openai.backend import OpenAIBackend
from ai.core.protocol import complete
from ai.core.types import LoadSpec
from ai.discovery.files import demo_model
from ai.shapes.workload import Length
from tests.bench.ai_truth import KINDS, sleep
from tests.doubles.ai_kit import ask
from tests.doubles.stamped_server import StampedServer, Stamps

SHOWN = {
    "first_token_ms": "time_to_first_token",
    "per_token_ms": "inter_token_latency",
    "tokens_per_s": "output_token_throughput_per_user",
}


def serve(kind: str, link: Connection) -> None:
    """The server's process: tells its address, then at each word all stamps since the last one."""

    async def run() -> None:
        server = StampedServer("openai", KINDS[kind], sleep, usage=kind != "usage missing")
        listener = await asyncio.start_server(server.handle, "127.0.0.1", 0)
        link.send(listener.sockets[0].getsockname()[1])
        while await asyncio.to_thread(link.recv):
            said, server.stamps = server.stamps, []
            link.send(said)

    asyncio.run(run())


def truth(kind: str, stamps: list[Stamps]) -> dict[str, float]:
    """Means over the answers: to the first token, for each token after it, and tokens a second while they come."""
    pieces = KINDS[kind]
    spoken = [at for at, piece in enumerate(pieces) if piece.spoken]
    later = sum(piece.tokens for piece in pieces) - pieces[spoken[0]].tokens
    first = [(s.written[spoken[0]] - s.received) / 1e6 for s in stamps]
    each = [(s.written[spoken[-1]] - s.written[spoken[0]]) / 1e6 / later for s in stamps]
    return {
        "first_token_ms": statistics.fmean(first),
        "per_token_ms": statistics.fmean(each),
        "tokens_per_s": 1e3 * statistics.fmean(1 / e for e in each),
    }


async def ours(url: str, calls: int) -> dict[str, float]:
    """The same by our own client."""
    backend = OpenAIBackend(url)
    first, rates = [], []
    try:
        await backend.ensure_loaded(LoadSpec("m"))
        for _ in range(calls):
            final = (await complete(backend, ask("hi", max_tokens=100))).final
            assert final.timings.ttft is not None
            first.append(final.timings.ttft.value * 1e3)
            rate = final.measured_rate()
            if rate is not None:
                rates.append(rate.value)
    finally:
        await backend.close()
    found = {"first_token_ms": statistics.fmean(first)}
    return found | (
        {"per_token_ms": statistics.fmean(1e3 / rate for rate in rates), "tokens_per_s": statistics.fmean(rates)}
        if rates
        else {}
    )


def aiperf(program: str, tokenizer: str, url: str, calls: int) -> dict[str, float]:
    """The same by aiperf."""
    with tempfile.TemporaryDirectory() as folder:
        words = [
            program,
            "profile",
            "-m",
            "m",
            "--url",
            url,
            "--endpoint-type",
            "chat",
            "--streaming",
            "--tokenizer",
            tokenizer,
            "--use-server-token-count",
        ]
        words += [
            "--request-count",
            str(calls),
            "--concurrency",
            "1",
            "--isl",
            "8",
            "--artifact-dir",
            folder,
            "--ui",
            "none",
        ]
        done = subprocess.run(words, capture_output=True, text=True, timeout=400, stdin=subprocess.DEVNULL, check=False)
        files = list(Path(folder).rglob("profile_export_aiperf.json"))
        if not files:
            raise SystemExit(f"aiperf gave no figures: {(done.stdout + done.stderr)[-1500:]}")
        told = json.loads(files[0].read_text("utf-8"))
    return {name: told[theirs]["avg"] for name, theirs in SHOWN.items() if told.get(theirs)}


def errors(told: dict[str, float], true: dict[str, float]) -> dict[str, float]:
    """What a tool said, and how far that is from the truth: milliseconds, or per cent of a rate."""
    found = {name: round(value, 3) for name, value in told.items()}
    for name, value in told.items():
        by = 100 * (value / true[name] - 1) if name == "tokens_per_s" else value - true[name]
        found[f"{name}_error{'_pct' if name == 'tokens_per_s' else ''}"] = round(by, 3)
    return found


def one(kind: str, program: str, tokenizer: str, calls: int) -> dict[str, Any]:
    """Both tools on one kind of answer."""
    link, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(kind, theirs), daemon=True)
    process.start()
    url = f"http://127.0.0.1:{link.recv()}"

    def stamps() -> list[Stamps]:
        link.send(True)
        found: list[Stamps] = link.recv()
        return found

    try:
        found = {"ours": errors(asyncio.run(ours(url, calls)), truth(kind, stamps()))}
        if program:
            found["aiperf"] = errors(aiperf(program, tokenizer, url, calls), truth(kind, stamps()[-calls:]))
    finally:
        link.send(False)
        process.join(10)
    return found


def table_of_llama_bench(program: str, model: str, lengths: str, threads: int) -> dict[str, float]:
    """Tokens a second of each test, by llama-bench."""
    prompt, answer, depths = lengths.split("/")
    words = ["-m", model, "-p", prompt, "-n", answer, "-d", depths, "-t", str(threads), "-r", "2", "-o", "json"]
    done = subprocess.run([program, *words], capture_output=True, text=True, timeout=600, check=True)
    return {
        Length(prompt=row["n_prompt"], answer=row["n_gen"], depth=row["n_depth"]).name: row["avg_ts"]
        for row in json.loads(done.stdout)
    }


def our_table(lengths: str, threads: int) -> dict[str, float]:
    """The same by `watchkeeper ai benchmark`, without an agent."""
    prompt, answer, depths = lengths.split("/")
    words = ["ai", "benchmark", "--plan", "lengths", "-b", "llamacpp", "-p", prompt, "-n", answer, "-d", depths]
    with tempfile.TemporaryDirectory() as folder:
        env = os.environ | {"WATCHKEEPER_DATA_DIR": folder, "WATCHKEEPER_CONFIG": f"{folder}/none.toml"}
        done = subprocess.run(
            [sys.executable, "-m", "monitor", *words, "-t", str(threads), "--json"],
            capture_output=True, text=True, timeout=900, check=False, env=env,
        )  # fmt: skip
    if not done.stdout:
        raise SystemExit(f"no figures: {done.stderr[-1500:]}")
    rows = json.loads(done.stdout)["contenders"][0]["lengths"]
    return {row["test"]: row["rate"] if row["length"]["answer"] else row["prompt_rate"] for row in rows}


def beside_llama_bench(program: str, lengths: str, turns: int, numbers: list[int]) -> dict[str, Any]:
    """Both tables for each number of threads: the best of the turns, which the load has spoilt least, and the ratio of ours."""
    model = demo_model()
    assert model is not None, "the package with the demonstration model is not installed"
    found: dict[str, Any] = {}
    for threads in numbers:
        theirs: dict[str, list[float]] = {}
        ours: dict[str, list[float]] = {}
        for _ in range(turns):
            for store, table in (
                (theirs, table_of_llama_bench(program, str(model), lengths, threads)),
                (ours, our_table(lengths, threads)),
            ):
                for test, rate in table.items():
                    if rate:
                        store.setdefault(test, []).append(rate)
        found[f"{threads} threads"] = {
            test: {
                "llama_bench": [round(rate, 1) for rate in theirs[test]],
                "ours": [round(rate, 1) for rate in ours.get(test, [])],
                "ratio_of_best": round(max(ours[test]) / max(theirs[test]), 3) if test in ours else None,
            }
            for test in theirs
        }
    return found


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--aiperf", default="", help="the program")
    parser.add_argument("--tokenizer", default="builtin", help="for aiperf's prompts; its own needs the network")
    parser.add_argument("--calls", type=int, default=30)
    parser.add_argument("--kind", action="append", choices=list(KINDS), help="of answers; all where none is named")
    parser.add_argument("--llama-bench", default="", help="the program, of about the same version as the library")
    parser.add_argument("--lengths", default="128/32/0,256", help="prompts/answers/depths for llama-bench and us")
    parser.add_argument(
        "--threads", type=int, action="append", help="with llama-bench; one and all where none is given"
    )
    parser.add_argument("--turns", type=int, default=2, help="of both tools, with llama-bench")
    given = parser.parse_args()
    if given.llama_bench:
        load, each = os.getloadavg()[0], sorted({1, os.cpu_count() or 1})
        figures = beside_llama_bench(given.llama_bench, given.lengths, given.turns, given.threads or each)
        print(json.dumps({"name": "ai_peers", "load1": [load, os.getloadavg()[0]], **figures}, indent=2))
        return
    figures = {kind: one(kind, given.aiperf, given.tokenizer, given.calls) for kind in given.kind or KINDS}
    machine = {"cpus": os.cpu_count(), "load1": os.getloadavg()[0], "python": platform.python_version()}
    print(json.dumps({"name": "ai_peers", "machine": machine, **figures}, indent=2))


if __name__ == "__main__":
    main()
