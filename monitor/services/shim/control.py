"""How a shim is heard and speaks: a socket for the agent, and files that say what happened when nobody listened."""

import contextlib
import errno
import json
import os
import select
import socket
import time
from collections.abc import Iterator

SOCKET, STATE, EVENTS = "control", "state.json", "events.jsonl"
EVENTS_BYTES = 256 * 1024
ENDED = "ended"
"""The event of a main process that is over, with all that is known of it."""
COMMAND_BYTES = 65536
LISTENERS = 16


class Control:
    """The socket of a shim, in its working directory. Who connects gets the state at once, and again at each change, as lines of JSON.

    Args:
        poll: told of every descriptor to wait for.
    """

    def __init__(self, poll: select.poll) -> None:
        self._poll = poll
        with contextlib.suppress(FileNotFoundError):
            os.unlink(SOCKET)  # the shim before this one was killed; the lock says that it is gone
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.setblocking(False)
        self._listener.bind(SOCKET)
        self._listener.listen(LISTENERS)
        self._clients: dict[int, tuple[socket.socket, bytearray]] = {}
        self._last = b""
        poll.register(self._listener.fileno(), select.POLLIN)

    def owns(self, descriptor: int) -> bool:
        """Whether a descriptor is to be given to `heard`."""
        return descriptor == self._listener.fileno() or descriptor in self._clients

    def heard(self, descriptor: int) -> Iterator[dict[str, object]]:
        """The commands that have come; a new client gets the state."""
        if descriptor == self._listener.fileno():
            self._welcome()
            return
        client, given = self._clients[descriptor]
        try:
            data = client.recv(COMMAND_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        given += data
        if not data or len(given) > COMMAND_BYTES:
            self._leave(descriptor)
            return
        *lines, rest = given.split(b"\n")
        given[:] = rest
        for line in lines:
            try:
                command = json.loads(line)
            except ValueError:
                continue  # not from an agent
            if isinstance(command, dict):
                yield command

    def tell(self, state: dict[str, object]) -> None:
        """Keep the state in its file, replaced in one step, and send it to everyone. A full disk keeps nobody from hearing it."""
        self._last = json.dumps(state).encode() + b"\n"
        try:
            with open(f".{STATE}", "wb") as file:
                file.write(self._last)
            os.rename(f".{STATE}", STATE)
        except OSError as error:
            complain(f"{STATE} cannot be replaced: {error.strerror}")
            self._overwrite()
        for descriptor in list(self._clients):
            self._send(descriptor)

    def _overwrite(self) -> None:
        """Keep the state in the space that its file has already: else who begins after this would take an old one for how it ended."""
        try:
            with open(STATE, "r+b", buffering=0) as file:
                status = os.fstat(file.fileno())
                if len(self._last) <= max(status.st_size, status.st_blocks * 512):
                    file.write(self._last.ljust(status.st_size))
        except OSError as error:
            complain(f"{STATE} cannot be written: {error.strerror}")

    def close(self, lock: int) -> None:
        """Remove the socket, release the lock, and hang up: who notices that can start the next shim at once."""
        os.unlink(SOCKET)
        self._poll.unregister(self._listener.fileno())
        self._listener.close()
        os.close(lock)
        for descriptor in list(self._clients):
            self._leave(descriptor)

    def _welcome(self) -> None:
        try:
            client, _ = self._listener.accept()
        except OSError as error:
            if error.errno not in {errno.EAGAIN, errno.ECONNABORTED}:
                time.sleep(0.05)  # no descriptors are free: do not spin
            return
        client.setblocking(False)
        self._clients[client.fileno()] = client, bytearray()
        self._poll.register(client.fileno(), select.POLLIN)
        self._send(client.fileno())

    def _send(self, descriptor: int) -> None:
        """A client that does not read is sent away; it may come again. One that has hung up may have left a command before."""
        try:
            whole = self._clients[descriptor][0].send(self._last) == len(self._last)
        except BlockingIOError:
            whole = False
        except OSError:
            return
        if not whole:
            self._leave(descriptor)

    def _leave(self, descriptor: int) -> None:
        self._poll.unregister(descriptor)
        self._clients.pop(descriptor)[0].close()


class Events:
    """What happened to a service, one line of JSON each, numbered from 1 over all its shims. The file is halved when it is large."""

    def __init__(self) -> None:
        self.seq = 0
        with contextlib.suppress(FileNotFoundError), open(EVENTS, "rb") as file:
            for line in file:
                with contextlib.suppress(ValueError, KeyError, TypeError):  # a line that a crash cut
                    self.seq = max(self.seq, int(json.loads(line)["seq"]))

    def note(self, what: str, **facts: object) -> None:
        """Append one."""
        self.seq += 1
        line = json.dumps({"seq": self.seq, "ts": time.time_ns() // 1000, "event": what, **facts}) + "\n"
        try:
            self._append(line)
        except OSError as error:
            complain(f"{EVENTS} cannot be written: {error.strerror}")

    @staticmethod
    def _append(line: str) -> None:
        data = line.encode()
        with open(EVENTS, "ab", buffering=0) as file:
            before = file.tell()
            if file.write(data) != len(data):
                file.truncate(before)  # what a full disk takes of a line would spoil the next one too
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            size = before + len(data)
        if size > EVENTS_BYTES:
            with open(EVENTS, "rb") as file:
                file.seek(size // 2)
                file.readline()
                kept = file.read()
            with open(f".{EVENTS}", "wb") as file:
                file.write(kept)
            os.rename(f".{EVENTS}", EVENTS)


def complain(what: str) -> None:
    """Say it in the shim's own log, if that takes anything: the service goes on."""
    with contextlib.suppress(OSError):
        os.write(2, what.encode() + b"\n")
