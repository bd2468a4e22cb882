"""Starting processes: the service itself, and short-lived probes that ask whether it is ready."""

import contextlib
import errno
import os
import signal
import time

from monitor.services.shim import policy

PR_SET_PDEATHSIG = 1
PR_SET_NAME = 15
PR_SET_CHILD_SUBREAPER = 36
RESET = ("SIGCHLD", "SIGHUP", "SIGINT", "SIGPIPE", "SIGQUIT", "SIGTERM", "SIGXFSZ")
LOCAL = ("", "*")
SAID_CHARS = 200
SLACK_S = 0.5
"""What a check may take beyond its time until it is killed."""


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
        there = False
        try:
            os.close(said)
            _become_child(output)
            os.chdir(directory)
            there = True
            os.execvpe(command[0], command, environment)  # noqa: S606 - a person's own command; no shell is wanted
        except OSError as error:
            why = _not_run(error, command[0]) if there else f"its directory {directory}: {error.strerror}"
            os.write(says, why.encode("utf-8", "replace"))
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


def _not_run(error: OSError, program: str) -> str:
    """Why a program does not run, and what to do."""
    if error.errno == errno.ENOENT and "/" not in program:
        return f"{program}: command not found; give its full path, or set PATH in its environment"
    if error.errno == errno.ENOENT and os.path.exists(program):
        return f"{program}: the interpreter that its first line names does not exist"
    if error.errno == errno.ENOEXEC:
        return f"{program}: it is no program; a script needs a first line such as #!/bin/sh"
    if error.errno == errno.EACCES and os.path.isfile(program):
        return f"{program}: it may not be executed (chmod +x)"
    return f"{program}: {error.strerror}"


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


class Probe:
    """A child that asks once whether a service is ready, or works still.

    Attributes:
        pid: of the child; it exits with 0 if that is so.
        due: when it is killed, in seconds of the monotonic clock.
        late: whether it was.
    """

    __slots__ = ("_said", "_timeout_s", "due", "late", "pid")

    def __init__(self, pid: int, said: int, timeout_s: float, due: float) -> None:
        self.pid, self.due, self.late = pid, due, False
        self._said, self._timeout_s = said, timeout_s

    def kill(self) -> None:
        """Its time is over: kill it and what it started."""
        self.late, self.due = True, time.monotonic() + SLACK_S
        for send in (
            os.killpg,
            os.kill,
        ):  # nobody has waited for this child yet: the pid, and that of its session, is its own
            with contextlib.suppress(ProcessLookupError):  # it has no session yet
                send(self.pid, signal.SIGKILL)

    def ended(self, code: int) -> str:
        """Take what it said, once it has ended with this code: why it is not so, in words; empty if it is."""
        said = os.read(self._said, 4096).decode("utf-8", "replace")
        said = "".join(filter(str.isprintable, said))[:SAID_CHARS]  # a server chooses the words of its answer
        os.close(self._said)
        if code == 0:
            return ""
        if self.late:
            return f"no answer within {self._timeout_s:g} s"
        return said or policy.how(code)


def probe(kind: str, what: str, directory: str, environment: dict[str, str], timeout_s: float) -> Probe:
    """Ask once whether a service is ready, in a child.

    Args:
        kind: `port`, `http` or `command`.
        what: `8000` or `host:8000`; an address; a command for `/bin/sh`.
        directory: where a command works.
        environment: all its variables.
        timeout_s: of the connection; the caller kills a child that takes longer.
    """
    said, says = os.pipe()
    pid = os.fork()
    if pid:
        os.close(says)
        return Probe(pid, said, timeout_s, time.monotonic() + timeout_s + SLACK_S)
    why = "it cannot be asked"
    try:
        nothing = os.open(os.devnull, os.O_RDWR)
        _become_child(nothing)
        if kind == "command":
            os.chdir(directory)
            os.execve("/bin/sh", ["sh", "-c", what], environment)  # noqa: S606 - `what` is a shell command that a person wrote
        why = _connects(what, timeout_s) if kind == "port" else _answers(what, timeout_s)
    except TimeoutError as error:  # the kernel's own has a number, and may come earlier
        why = f"no answer within {timeout_s:g} s" if error.errno is None else "no answer"
    except OSError as error:
        why = (error.strerror or str(error)).lower()
    finally:
        os.write(says, why.encode("utf-8", "replace")[:4096])
        os._exit(1 if why else 0)


def _connects(address: str, timeout_s: float) -> str:
    import socket

    host, _, port = address.rpartition(":")
    with socket.create_connection(("127.0.0.1" if host in LOCAL else host.strip("[]"), int(port)), timeout_s):
        return ""


def _answers(url: str, timeout_s: float) -> str:
    """Why a GET is not answered with a status below 400; empty if it is."""
    import http.client
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "127.0.0.1", parts.port, timeout=timeout_s)
    try:
        connection.request("GET", (parts.path or "/") + (f"?{parts.query}" if parts.query else ""))
        answer = connection.getresponse()
        return "" if answer.status < 400 else f"answered {answer.status} {answer.reason}".rstrip()
    except http.client.RemoteDisconnected:
        return "the connection was closed without an answer"
    except http.client.HTTPException:
        return "its answer is no HTTP"
    finally:
        connection.close()
