"""How many calls of programs that end with their answer the gateway knows by their process.

    uv run tests/bench/gateway_programs.py [--calls 200] [--at-once 4]

Prints one JSON object: for `curl` and for Python, the share of calls that are recorded with the process that made them, and what
their wait for it cost: time to the first byte of a new connection (p50, p95), as the gateway counts it. The engine answers at once, which is the hardest case.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from ai.gateway.link.messages import CallRow
from tests.bench.gateway import BODY
from tests.doubles.gateway_kit import KEY, RunningGateway, engine, running

ASK = """
import sys, http.client
connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]))
connection.request("POST", "/v1/chat/completions", sys.argv[2], {"Authorization": "Bearer " + sys.argv[3]})
sys.exit(connection.getresponse().status != 200)
"""
"""Leaves as soon as the head of the answer is there, with the answer unread: no program can live shorter and have got one."""


def words_of(kind: str, port: int) -> list[str]:
    """The command that asks once."""
    if kind == "python":
        return [sys.executable, "-SEc", ASK, str(port), BODY.decode(), KEY]
    url = f"http://127.0.0.1:{port}/v1/chat/completions"
    return ["curl", "-sN", "-o", os.devnull, "-H", f"Authorization: Bearer {KEY}", "-d", BODY.decode(), url]


def ask(gateway: RunningGateway, kind: str, calls: int, at_once: int) -> dict[str, Any]:
    """So many processes, some at once; what the rows say of them."""
    before = len(gateway.all_of(CallRow))
    pids: set[int] = set()
    for _ in range(0, calls, at_once):
        some = [subprocess.Popen(words_of(kind, gateway.port)) for _ in range(at_once)]
        pids |= {one.pid for one in some}
        for one in some:
            assert one.wait(60) == 0
    rows = gateway.rows(before + len(pids))[before:]
    first = [row.ttft_s * 1e3 for row in rows if row.ttft_s is not None]
    known = sum(row.program.pid in pids for row in rows)
    wrong = sum(row.program.pid is not None and row.program.pid not in pids for row in rows)
    return {
        "calls": len(rows), "known": known, "wrong": wrong, "share": round(known / len(rows), 4),
        "first_byte_ms": round(statistics.median(first), 2), "first_byte_p95_ms": round(statistics.quantiles(first, n=20)[-1], 2),
    }  # fmt: skip


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--at-once", type=int, default=4)
    given = parser.parse_args()
    stub = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("gateway.py")), "--engine"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert stub.stdout is not None
    assert stub.stdin is not None
    address = f"http://127.0.0.1:{int(stub.stdout.readline())}"
    kinds = ["python", *(["curl"] if shutil.which("curl") else [])]
    try:
        with running(engine("stub", address)) as gateway:
            found = {kind: ask(gateway, kind, given.calls, given.at_once) for kind in kinds}
    finally:
        stub.stdin.close()
        stub.wait(5)
    print(json.dumps({"load": round(os.getloadavg()[0], 1), **found}, indent=1))


if __name__ == "__main__":
    main()
