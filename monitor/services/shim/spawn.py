"""Starting processes: the service itself, and short-lived probes that ask whether it is ready."""

import os
import signal

PR_SET_PDEATHSIG = 1
PR_SET_NAME = 15
PR_SET_CHILD_SUBREAPER = 36
RESET = ("SIGCHLD", "SIGHUP", "SIGINT", "SIGPIPE", "SIGQUIT", "SIGTERM", "SIGXFSZ")
LOCAL = ("", "*")


def prctl(option: int, value: int) -> None:
    """Set an attribute of this process.

    Raises:
        OSError: the kernel refuses.
    """
    import ctypes

    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def name_process(name: str) -> None:
    """Give this process a name of at most 15 bytes in lists of processes."""
    import ctypes

    ctypes.CDLL(None).prctl(PR_SET_NAME, name.encode()[:15], 0, 0, 0)


def start(command: list[str], directory: str, environment: dict[str, str], output: int) -> tuple[int, str]:
    """Start a command in a session of its own; it is killed if this process dies. Answers its pid and, if it did not start, why.

    Args:
        command: program and arguments; no shell reads them.
        directory: where it works.
        environment: all its variables.
        output: descriptor for standard output and error.
    """
    said, says = os.pipe()
    pid = os.fork()
    if pid == 0:
        where = directory
        try:
            os.close(said)
            _become_child(output)
            os.chdir(directory)
            where = command[0]
            os.execvpe(command[0], command, environment)  # noqa: S606 - a person's own command; no shell is wanted
        except OSError as error:
            os.write(says, f"{where}: {error.strerror}".encode("utf-8", "replace"))
        finally:
            os._exit(127)
    os.close(says)
    trouble = b""
    while block := os.read(said, 4096):  # closed by the kernel when the command runs
        trouble += block
    os.close(said)
    if trouble:
        os.waitpid(pid, 0)
    return pid, trouble.decode("utf-8", "replace")


def _become_child(output: int) -> None:
    os.setsid()
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.set_wakeup_fd(-1)
    for name in RESET:
        signal.signal(getattr(signal, name), signal.SIG_DFL)
    os.umask(0o022)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for target, source in ((0, nothing), (1, output), (2, output)):
        os.dup2(source, target)


def probe(kind: str, what: str, directory: str, environment: dict[str, str], timeout_s: float) -> int:
    """Ask once whether a service is ready, in a child that exits with 0 if it is; answers the pid of the child.

    Args:
        kind: `port`, `http` or `command`.
        what: `8000` or `host:8000`; an address; a command for `/bin/sh`.
        directory: where a command works.
        environment: all its variables.
        timeout_s: of the connection; the caller kills a child that takes longer.
    """
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        nothing = os.open(os.devnull, os.O_RDWR)
        _become_child(nothing)
        if kind == "command":
            os.chdir(directory)
            os.execve("/bin/sh", ["sh", "-c", what], environment)  # noqa: S606 - `what` is a shell command that a person wrote
        code = 0 if (_connects(what, timeout_s) if kind == "port" else _answers(what, timeout_s)) else 1
    except OSError:
        code = 1
    finally:
        os._exit(code)


def _connects(address: str, timeout_s: float) -> bool:
    import socket

    host, _, port = address.rpartition(":")
    with socket.create_connection(("127.0.0.1" if host in LOCAL else host.strip("[]"), int(port)), timeout_s):
        return True


def _answers(url: str, timeout_s: float) -> bool:
    """Whether a GET is answered with a status below 400."""
    import http.client
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "127.0.0.1", parts.port, timeout=timeout_s)
    try:
        connection.request("GET", (parts.path or "/") + (f"?{parts.query}" if parts.query else ""))
        return connection.getresponse().status < 400
    except http.client.HTTPException:
        return False
    finally:
        connection.close()
