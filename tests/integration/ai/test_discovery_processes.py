"""Ollama is found by its process and its socket, on whatever port; what is no server of its kind is not asked."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ai.core.types import Engine
from ai.discovery.discover import OLLAMA_URL, DiscoveryConfig, discover
from ai.discovery.http import same_endpoint
from ai.discovery.processes import listening, ollama_addresses
from tests.doubles.stateful_ollama import serve

SERVER = """
import ctypes, socket, sys
ctypes.CDLL(None).prctl(15, sys.argv[1].encode(), 0, 0, 0)
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
sys.stdin.read()
"""


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
