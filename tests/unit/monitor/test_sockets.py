"""The connections of a process: real sockets of this one."""

import contextlib
import os
import socket
import subprocess
import sys

import pytest

from monitor.api.runs.connections import shaped
from monitor.core.endpoint import start_tick_of
from monitor.lifecycle.sockets import Socket, Sockets, sockets_of
from tests.waiting import patient

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
SENT = 123_457


def own() -> Sockets:
    """The sockets of this process."""
    tick = start_tick_of(os.getpid())
    assert tick is not None
    found = sockets_of(os.getpid(), tick, seconds=patient(5))
    assert found is not None
    return found


def address(one: socket.socket) -> str:
    """As it is told."""
    host, port = one.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def test_ports_and_connections_are_told_with_their_bytes() -> None:
    """A listening port, both sides of a connection with exactly the bytes that passed, and UDP, whose bytes nobody counts."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as client,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams,
    ):
        datagrams.bind(("127.0.0.1", 0))
        accepted, _ = server.accept()
        with accepted:
            client.sendall(b"x" * SENT)
            left = SENT
            while left:
                left -= len(accepted.recv(left))
            found = own()
            rows = {(one.local, one.remote): one for one in found.found}
            assert rows[address(server), None].state == "listening"
            sent, received = rows[address(client), address(accepted)], rows[address(accepted), address(client)]
            assert (sent.protocol, sent.state) == ("tcp", "established")
            if found.bytes_known:
                assert (sent.sent_bytes, received.received_bytes) == (SENT, SENT)
            assert rows[address(datagrams), None] == Socket(
                protocol="udp", local=address(datagrams), remote=None, state="listening"
            )


def test_ipv6_and_sockets_without_addresses() -> None:
    """An address of IPv6 stands in brackets; sockets between processes of this machine are counted."""
    before = own().local_sockets
    left, right = socket.socketpair()
    with left, right, contextlib.ExitStack() as opened:
        try:
            server = opened.enter_context(socket.create_server(("::1", 0), family=socket.AF_INET6))
        except OSError:
            pytest.skip("no IPv6 here")
        found = own()
        assert address(server) in {one.local for one in found.found}
        assert found.local_sockets == before + 2


def test_another_process_with_the_pid_is_not_told() -> None:
    """Nor one that has ended."""
    assert sockets_of(os.getpid(), 1, seconds=patient(5)) is None
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        tick = start_tick_of(child.pid) or 0
        child.wait(patient(10))
    assert sockets_of(child.pid, tick, seconds=patient(5)) is None


def test_time_that_is_over_is_said() -> None:
    """On a machine with a hundred thousand connections not all can be read; what was found until then is told."""
    with contextlib.ExitStack() as opened:
        server = opened.enter_context(socket.create_server(("127.0.0.1", 0), backlog=600))
        for _ in range(600):
            opened.enter_context(socket.create_connection(server.getsockname()))
        tick = start_tick_of(os.getpid()) or 0
        found = sockets_of(os.getpid(), tick, seconds=0)
    assert found is not None
    assert found.late


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_missing_rights_are_said() -> None:
    """Who may not look at the descriptors of a process hears that, and nothing is made up."""
    script = (
        "import os; from monitor.lifecycle.sockets import sockets_of; from monitor.core.endpoint import start_tick_of;"
        "os.setgid(65534); os.setuid(65534); print(sockets_of({pid}, start_tick_of({pid}), seconds=5).refused)"
    ).format(pid=os.getpid())
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=patient(20), check=True
    )
    assert done.stdout.strip() == "True"


@pytest.mark.parametrize(("uid", "words"), [(1000, "by root only"), (0, "though root")])
def test_nobody_is_sent_to_rights_that_he_has(uid: int, words: str) -> None:
    """Root is not told to be root: the kernel also hides a process that has more rights."""
    assert words in str(shaped(Sockets(refused=True), uid).note)
