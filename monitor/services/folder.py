"""The folder of one service in the data directory: what its shim reads and writes, and what the agent remembers."""

import contextlib
import errno
import hashlib
import json
import os
import signal
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from monitor.config.services import ServiceSettings
from monitor.core.endpoint import write_private
from monitor.core.errors import MonitorError
from monitor.core.member import member_of
from monitor.core.paths import own_uid
from monitor.core.this_process import boot_id
from monitor.sampling.linux.users import Users
from monitor.services.shim import policy
from monitor.services.shim.control import ENDED
from monitor.store.lives import ToldLife

FOLDER: Final = "services"
NO_SPACE: Final = (errno.ENOSPC, errno.EDQUOT)
PROBE_TIMEOUT_S: Final = 5.0
MIB: Final = 1024 * 1024
END_S: Final = 10.0
WITHOUT_RESTART: Final = {"name", "autostart", "depends_on", "schedule"}
"""Settings that the agent follows at once; the shim reads the others at each start."""
MARK: Final = "WATCHKEEPER_SERVICE_RUN"
"""The variable that `shim` sets for all processes of a service."""


@dataclass(frozen=True, slots=True)
class ServiceFolder:
    """The files of one service."""

    path: Path

    @property
    def name(self) -> str:
        """The service's name."""
        return self.path.name

    @property
    def output(self) -> Path:
        """The file that its output goes to."""
        return self.path / "output.log"

    @property
    def was_stopped(self) -> bool:
        """Whether a person stopped it, so that it stays so when the agent starts again."""
        return (self.path / "stopped").exists()

    def keep_stopped(self, stopped: bool) -> None:  # noqa: FBT001 - the state itself
        """Remember whether a person stopped it.

        Raises:
            OSError: the folder cannot be written.
        """
        if stopped:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            (self.path / "stopped").touch(mode=0o600)
        else:
            (self.path / "stopped").unlink(missing_ok=True)

    @property
    def waits(self) -> bool:
        """Whether it was to be started in this boot as soon as what it depends on is ready."""
        try:
            return (self.path / "waits").read_text("utf-8") == boot_id()
        except (OSError, ValueError):
            return False

    def keep_waiting(self, waits: bool) -> None:  # noqa: FBT001 - the state itself
        """Remember whether it waits.

        Raises:
            OSError: the folder cannot be written.
        """
        if waits:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            (self.path / "waits").write_text(boot_id(), "utf-8")
        else:
            (self.path / "waits").unlink(missing_ok=True)

    def write_spec(
        self, service: ServiceSettings, mask: Callable[[Sequence[str]], str] = " ".join, origin: Path | None = None
    ) -> None:
        """Write what the shim is to run, if that is something else than before: a start or restart of the same needs no space on the disk.

        Args:
            service: its settings.
            mask: hides secrets in how its checks are called, as the reasons that the shim gives are kept and shown.
            origin: the settings file. What stands in it runs once, whatever data directories there are.

        Raises:
            MonitorError: the folder cannot be written.
        """
        ready, alive = service.ready, service.liveness
        spec: dict[str, Any] = {
            "command": service.words,
            "directory": str(Path(service.directory).expanduser()),
            "environment": service.environment,
            "stop_signal": service.signal_number,
            "ready": list(ready.check) if ready else None,
            "probe_timeout_s": min(PROBE_TIMEOUT_S, ready.timeout_s) if ready else PROBE_TIMEOUT_S,
            "liveness": [*alive.check, alive.every_s, alive.timeout_s, alive.failures] if alive else None,
            "checks": {
                "ready": _called(*ready.check, mask) if ready else "",
                "liveness": _called(*alive.check, mask) if alive else "",
            },
            "rules": {
                "restart": service.restart,
                "backoff_s": service.backoff_s,
                "backoff_max_s": service.backoff_max_s,
                "stable_s": service.stable_s,
                "crash_limit": service.crash_limit,
                "crash_window_s": service.crash_window_s,
                "stop_grace_s": service.stop_grace_s,
                "ready_timeout_s": ready.timeout_s if ready else None,
            },
            "output": str(self.output),
            "output_bytes": int(service.output_mb * MIB),
            "output_kept": service.output_kept,
            "hash": hash_of(service),
            "mark": self._mark() or uuid.uuid4().hex,
            "boot": boot_id(),
            "claim": _claim_on(self.name, origin) if origin else "",
        }
        if spec == _read(self.path / "spec.json"):
            return
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_private(self.path / "spec.json", spec)
        except OSError as error:
            raise MonitorError(
                f"the settings of service {self.name} cannot be written to {self.path}: {error.strerror}",
                hint="free some disk space" if error.errno in NO_SPACE else "see that the agent may write there",
            ) from error

    @property
    def command(self) -> list[str] | None:
        """What it was started as last; None if it never was."""
        return (_read(self.path / "spec.json") or {}).get("command")

    def _mark(self) -> str:
        """The mark of its processes, the same for each start."""
        return str((_read(self.path / "spec.json") or {}).get("mark", ""))

    def state(self) -> dict[str, Any] | None:
        """Where it stood when its shim last said so; None if it was never started, or in an earlier boot."""
        found = _read(self.path / "state.json")
        return found if found is not None and found.get("boot") == boot_id() else None

    def state_version(self) -> tuple[int, int] | None:
        """Something that changes whenever `state` may; None if it was never started."""
        try:
            status = (self.path / "state.json").stat()
        except OSError:
            return None
        return status.st_ino, status.st_mtime_ns

    def events(self, after: int = 0, kind: str = "") -> Iterator[dict[str, Any]]:
        """What happened to it, the oldest first, beyond the number `after`; only events of a `kind`, if one is given."""
        try:
            lines = (self.path / "events.jsonl").read_bytes().splitlines()
        except OSError:
            return
        for line in lines:
            if kind.encode() not in line:
                continue
            with contextlib.suppress(ValueError, KeyError, TypeError):  # a line that a crash cut
                event = json.loads(line)
                if event["seq"] > after and kind in {"", event["event"]}:
                    yield event

    def lives(self, after: int = 0) -> tuple[list[ToldLife], int]:
        """The main processes that are over, beyond the event of the number `after`, the oldest first; and the number to go on from."""
        found = list(self.events(after, ENDED))
        variables = (_read(self.path / "spec.json") or {}).get("environment", {}) if found else {}
        member = member_of(b"".join(f"{name}={value}\0".encode() for name, value in variables.items()), bytes)
        lives = [life for event in found if (life := _life(self.name, member, event)) is not None]
        return lives, max((event["seq"] for event in found), default=after)

    def end_leftovers(self) -> int:
        """Kill processes of this service whose shim was lost; returns how many there were. For a thread: it reads `/proc` of all processes."""
        mark = self._mark()
        if not mark:
            return 0
        wanted, killed = f"{MARK}={mark}".encode(), set[int]()
        deadline = time.monotonic() + END_S
        while (pids := [pid for pid in _all_pids() if wanted in _environment(pid)]) and time.monotonic() < deadline:
            killed.update(pid for pid in pids if _kill_marked(pid, wanted))
            time.sleep(0.005)
        return len(killed)


def _claim_on(name: str, origin: Path) -> str:
    """What names a service of a settings file for all agents of a user."""
    return hashlib.sha256(f"{own_uid()}\0{origin.resolve()}\0{name}".encode("utf-8", "surrogateescape")).hexdigest()[
        :32
    ]


def _called(kind: str, what: str, mask: Callable[[Sequence[str]], str]) -> str:
    """A check, as a person calls it."""
    return mask(what.split(" ") if kind == "http" else [kind, *what.split(" ")])


def _read(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):  # it was never started, or its folder cannot be read: both mean that nothing is known
        return None
    return found if isinstance(found, dict) else None


def _life(service: str, member: str | None, event: Mapping[str, Any]) -> ToldLife | None:
    """The life that an event of a service's shim tells of; None if it does not say whose, as those of an earlier version."""
    with contextlib.suppress(KeyError, TypeError, ValueError):
        code = event["code"]
        return ToldLife(
            boot_id=str(event["boot"]),
            pid=int(event["pid"]),
            start_tick=int(event["tick"]),
            words=tuple(map(str, event["command"])),
            cwd=str(event["directory"]),
            started=int(event["started"]),
            ended=int(event["ts"]),
            exit_code=None if code is None or code < 0 else code,
            exit_signal=None if code is None or code >= 0 else -code,
            source="service",
            ppid=int(event["parent"]),
            uid=own_uid(),
            user=Users().name(own_uid()),
            ended_for=f"{service}: {why}" if (why := event.get("why")) else "",
            asked=bool(event.get("asked")),
            member=member,
        )
    return None


def _kill_marked(pid: int, wanted: bytes) -> bool:
    """Kill a process that has the mark; looked at again once a descriptor holds it, as its pid may be another's by now."""
    try:
        descriptor = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        if wanted not in _environment(pid):
            return False
        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


def _all_pids() -> list[int]:
    return [
        int(entry.name) for entry in os.scandir("/proc") if entry.name.isdecimal() and int(entry.name) != os.getpid()
    ]


def _environment(pid: int) -> list[bytes]:
    """Its variables; none for a zombie, and for another user's."""
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


def hash_of(service: ServiceSettings) -> str:
    """A short text that changes with those settings of a service that its shim reads: a change of them needs a restart."""
    text = service.model_dump_json(exclude=WITHOUT_RESTART, exclude_defaults=True)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def active(state: Mapping[str, Any] | None) -> bool:
    """Whether a shim should be there, by what it said last."""
    return state is not None and state.get("state") in policy.ACTIVE
