"""Where the agent listens, and what answers there: a Unix socket of mode 0600, or, where the platform has none, a loopback port behind a random token."""

import os
import secrets
import socket
import stat
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn

from monitor.core.endpoint import Endpoint, start_tick_of
from monitor.core.errors import ConfigError
from monitor.core.paths import private_parent, socket_path


@dataclass(frozen=True)
class Listener:
    """A bound socket and the address others find it under."""

    sock: socket.socket
    endpoint: Endpoint
    path: Path | None

    def close(self, *, remove: bool = True) -> None:
        """Stop listening. The socket's file is removed, unless it may be another agent's by now."""
        self.sock.close()
        if self.path is not None and remove:
            self.path.unlink(missing_ok=True)


def listen(data_dir: Path, environ: Mapping[str, str]) -> Listener:
    """Begin to listen. Call it only while holding the data directory's lock: a socket found there is then a dead agent's.

    Raises:
        ConfigError: the address cannot be used.
    """
    if not hasattr(socket, "AF_UNIX"):
        return _listen_on_port()
    path = socket_path(data_dir, environ)
    private_parent(path)
    try:
        if stat.S_ISSOCK(path.lstat().st_mode):
            path.unlink()
    except FileNotFoundError:
        pass
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        sock.bind(os.fspath(path))
    except OSError as error:
        sock.close()
        raise ConfigError(
            f"the agent cannot listen on {path}: {error.strerror or error}",
            hint="remove that path, or choose another --data-dir",
        ) from error
    finally:
        os.umask(before)
    sock.listen(128)
    return Listener(sock, Endpoint(os.getpid(), os.fspath(path), started=start_tick_of(os.getpid())), path)


def _listen_on_port() -> Listener:
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # said, so that asyncio sends at once
    sock.bind(("127.0.0.1", 0))
    sock.listen(128)
    url = f"http://127.0.0.1:{sock.getsockname()[1]}"
    return Listener(
        sock, Endpoint(os.getpid(), None, url, secrets.token_urlsafe(32), started=start_tick_of(os.getpid())), None
    )


class Server(uvicorn.Server):
    """uvicorn without signal handlers; the agent has its own."""

    def capture_signals(self) -> Any:
        """Capture no signals."""
        return nullcontext()


def server_of(app: Any) -> Server:
    """What serves an application on a socket that is bound already."""
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        ws_max_size=1 << 20,
        timeout_graceful_shutdown=1,
        server_header=False,
    )
    return Server(config)
