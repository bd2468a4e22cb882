"""Ollama is found by its process and its socket, on whatever port; what is no server of its kind is not asked."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ai.core.types import Engine
from ai.discovery.discover import OLLAMA_URL, DiscoveryConfig, discover
from ai.discovery.http import same_endpoint
from ai.discovery.owners import server_addresses
from ai.discovery.processes import listening, ollama_addresses
from tests.doubles.stateful_ollama import serve

SERVER = """
import ctypes, socket, sys
ctypes.CDLL(None).prctl(15, sys.argv[1].encode(), 0, 0, 0)
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
sys.stdin.read()
"""

HOLDER = """
import http.server, json, mmap, sys
path, asked = sys.argv[1:]
with open(path, "rb") as file:
    held = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if path != "/dev/null" else None
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        open(asked, "a").write(self.path + chr(10))
        body = json.dumps({"object": "list", "data": [{"id": "mine"}]}).encode()
        self.send_response(200); self.send_header("Content-Length", str(len(body))); self.end_headers(); self.wfile.write(body)
    def log_message(self, *words): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
print(server.server_port, flush=True)
server.serve_forever()
"""


@contextmanager
def holder(weights: Path, asked: Path, **environ: str) -> Iterator[str]:
    """The address of a program that no list names, with this file in its memory; it notes what it is asked."""
    command = [sys.executable, "-c", HOLDER, str(weights), str(asked)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | environ) as proc:
        assert proc.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(proc.stdout.readline())}"
        finally:
            proc.kill()


@pytest.mark.skipif(sys.platform != "linux", reason="what a process has mapped is read as Linux lists it")
def test_a_server_of_no_list_is_found_by_the_weights_in_its_memory(tmp_path: Path) -> None:
    """One without a model is not spoken to, nor one rank of many that train together, whose socket may not bear it."""
    weights = tmp_path / "mine.gguf"
    weights.write_bytes(b"GGUF" + bytes(4096))
    asked = [tmp_path / name for name in ("held", "none", "rank")]
    with (
        holder(weights, asked[0]) as held,
        holder(Path("/dev/null"), asked[1]),
        holder(weights, asked[2], MASTER_ADDR="127.0.0.1"),
    ):
        config = DiscoveryConfig(ollama_url="", search=tuple, search_servers=server_addresses)
        found = [e for e in asyncio.run(discover(config)) if e.address == held]
    assert [(e.state, [m.name for m in e.models]) for e in found] == [("ready", ["mine"])]
    assert found[0].process is not None
    assert found[0].process.model_file == str(weights)
    assert [path.exists() for path in asked] == [True, False, False]


@contextmanager
def listener(name: str) -> Iterator[str]:
    """The address of a process of this name that listens."""
    with subprocess.Popen(
        ["ollama", "-c", SERVER, name],
        executable=sys.executable,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as proc:
        assert proc.stdout is not None
        yield f"http://127.0.0.1:{int(proc.stdout.readline())}"


@pytest.mark.skipif(sys.platform != "linux", reason="names of processes are set as Linux does it")
def test_a_process_called_so_is_found_by_its_socket() -> None:
    """Whatever its port; a process of another name is not."""
    with listener("ollama") as mine, listener("other") as other:
        found = ollama_addresses()
    assert mine in found
    assert other not in found


def ollamas(config: DiscoveryConfig) -> list[Engine]:
    """What discovery says of Ollama."""
    return [e for e in asyncio.run(discover(config)) if e.name == "ollama"]


def test_the_default_address_is_not_missed_where_it_runs_at_another() -> None:
    """But one that somebody named and that does not answer is; who wants none gets none."""

    async def go() -> list[list[tuple[str, str]]]:
        async with serve() as state:
            told = []
            for url in (OLLAMA_URL, "http://127.0.0.1:1", state.url, ""):
                config = DiscoveryConfig(ollama_url=url, search=lambda: [state.url, "http://127.0.0.1:2"])
                told.append([(e.address, e.state) for e in await discover(config) if e.name == "ollama"])
            return [*told, [(state.url, "ready")]]

    default, named, same, none, here = asyncio.run(go())
    assert default in (here, [(OLLAMA_URL, "ready"), *here])  # a real one may run on this machine
    assert named == [("http://127.0.0.1:1", "down"), *here]
    assert (same, none) == (here, [])


def test_listening_sockets_are_read_as_the_kernel_lists_them(tmp_path: Path) -> None:
    """With their user; those that loopback does not reach, and nonsense, are left out."""
    head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
    row = "   0: {} 00000000:0000 {} 00000000:00000000 00:00000000 00000000   997        0 1 1 x 100 0 0 10 0\n"
    rows = [
        ("0100007F:2CEC", "0A"),
        ("00000000:2CED", "0A"),
        ("0100007F:2CEE", "01"),
        ("0200000A:2CEF", "0A"),
        ("nonsense", "0A"),
    ]
    (tmp_path / "tcp").write_text(head + "".join(row.format(*r) for r in rows) + "short\n")
    six = [
        ("0" * 32 + ":1F90", "0A"),
        ("0000000000000000FFFF00000100007F:1F91", "0A"),
        ("FE80000000000000000000000000007F:1F92", "0A"),
    ]
    (tmp_path / "tcp6").write_text(head + "".join(row.format(*r) for r in six))
    assert list(listening(tmp_path)) == [(997, 11500), (997, 11501), (997, 8080), (997, 8081)]
    assert list(listening(tmp_path / "absent")) == []


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("http://127.0.0.1:11434", "http://localhost:11434/v1", True), ("127.0.0.1:11434", "http://127.0.0.1:11434", True), ("http://[::1]:80", "http://127.0.0.1", True),
        ("http://127.0.0.1:1", "http://127.0.0.1:2", False), ("http://a:1", "http://b:1", False), ("http://a:x", "http://a:x", False),
    ],
)  # fmt: skip
def test_two_ways_to_write_one_address_are_one(one: str, other: str, *, same: bool) -> None:
    """Loopback has several names."""
    assert same_endpoint(one, other) == same
