"""The checks of `watchkeeper doctor`. They need no agent."""

import asyncio
import os
import platform
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal

from monitor.cli.core.output import size
from monitor.client.client import Client
from monitor.config.settings import Settings, load_settings
from monitor.core.errors import REPORTED, AgentUnreachable, ConfigError

State = Literal["ok", "warn", "fail"]
LOW_DISK: Final = 1_000_000_000
LOW_WATCHES: Final = 8192
_WORKS: Final = frozenset({"ready", "idle"})


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check; `remedy` is empty if there is nothing to fix."""

    name: str
    state: State
    detail: str
    remedy: str = ""

    def json(self) -> dict[str, Any]:
        """The check as `watchkeeper doctor --json` prints it."""
        return asdict(self)


def examine(data_dir: Path, config: Path) -> list[Check]:
    """Run every check. None raises, and each ends within a few seconds."""
    settings, settings_check = _settings(config)
    checks: list[Callable[[], Check | list[Check]]] = [
        _python,
        _system,
        lambda: settings_check,
        lambda: _data_dir(data_dir),
        lambda: _disk(data_dir, settings),
        lambda: _store(data_dir),
        lambda: _agent(data_dir),
        lambda: _port(settings, data_dir),
        _gpu,
        lambda: _engines(settings),
        _journal,
        _inotify,
        _limits,
    ]
    found: list[Check] = []
    for check in checks:
        try:
            answer = check()
        except (OSError, *REPORTED, ValueError) as error:
            answer = Check(check.__name__.strip("_<>"), "warn", f"the check failed: {error}")
        found += answer if isinstance(answer, list) else [answer]
    return found


def _python() -> Check:
    detail = f"Python {platform.python_version()} at {sys.executable}"
    return Check("python", "ok", detail)


def _system() -> Check:
    if not sys.platform.startswith("linux"):
        return Check("system", "warn", platform.platform(), "readings come from psutil; Linux provides more")
    missing = [name for name in ("stat", "meminfo", "self/stat", "self/io") if not Path("/proc", name).exists()]
    if missing:
        return Check("system", "fail", f"/proc has no {', '.join(missing)}", "mount /proc")
    notes = []
    if not Path("/proc/pressure/cpu").exists():
        notes.append("no pressure readings (boot the kernel with psi=1)")
    if _hides_others():
        notes.append("processes of other users are hidden (/proc is mounted with hidepid)")
    detail = f"Linux {platform.release()}, {os.cpu_count()} cores"
    return Check("system", "warn", f"{detail}; {'; '.join(notes)}") if notes else Check("system", "ok", detail)


def _hides_others() -> bool:
    mounts = Path("/proc/mounts").read_text("utf-8", "replace").splitlines()
    return any(line.split()[1] == "/proc" and "hidepid=" in line and "hidepid=0" not in line for line in mounts)


def _settings(config: Path) -> tuple[Settings, Check]:
    try:
        settings = load_settings(config)
    except ConfigError as error:
        return load_settings(None, environ={}), Check("settings", "fail", error.message, error.hint)
    where = f"{config}" if config.exists() else f"defaults ({config} does not exist)"
    return settings, Check("settings", "ok", where)


def _data_dir(data_dir: Path) -> Check:
    parent = data_dir
    while not parent.exists():
        parent = parent.parent
    try:
        with tempfile.NamedTemporaryFile(dir=parent):
            pass
    except OSError as error:
        remedy = "make it writable, or choose another with --data-dir"
        return Check("data", "fail", f"{data_dir} is not writable: {error.strerror}", remedy)
    if data_dir.exists() and data_dir.stat().st_mode & 0o077:
        return Check("data", "warn", f"other users can read {data_dir}", f"run `chmod 700 {data_dir}`")
    return Check("data", "ok", f"{data_dir}{'' if data_dir.exists() else ' (created at the first start)'}")


def _disk(data_dir: Path, settings: Settings) -> Check:
    parent = data_dir
    while not parent.exists():
        parent = parent.parent
    free = shutil.disk_usage(parent).free
    limit = settings.store.limit_mb * 1024 * 1024
    detail = f"{size(free)} free; the store may use {size(limit)}"
    if free < max(LOW_DISK, limit // 4):
        return Check("disk", "warn", detail, "free some disk space, or lower store.limit_mb")
    return Check("disk", "ok", detail)


def _store(data_dir: Path) -> Check:
    files = sorted(data_dir.glob("*.duckdb")) if data_dir.exists() else []
    damaged = sorted(data_dir.glob("*damaged*")) if data_dir.exists() else []
    if damaged:
        return Check(
            "store", "warn", f"a damaged store was set aside: {damaged[-1].name}", "delete it if you do not need it"
        )
    if not files:
        return Check("store", "ok", "none yet; created at the first start")
    return Check("store", "ok", ", ".join(f"{f.name} {size(_with_journal(f))}" for f in files))


def _with_journal(file: Path) -> int:
    """Bytes of a store, those among them that are still in its journal: soon after a start it is nearly all."""
    journal = file.with_name(f"{file.name}.wal")
    return file.stat().st_size + (journal.stat().st_size if journal.exists() else 0)


_EXITS: Final = {
    "connector": "exit codes of all processes, from the kernel's process connector",
    "pidfd": "exit codes of processes that live for a second, from pidfds, as the process connector is not granted",
    "poll": "exit codes are mostly unknown: the kernel tells them neither by its process connector nor by pidfds",
}
_USAGE: Final = {
    "taskstats": "what each process used in its life, from taskstats",
    "sweep": "what processes used as of their last reading: the kernel tells no more without the right to administer the network",
}


def _agent(data_dir: Path) -> Check:
    from monitor.metrics.messages import ENDS_LOST

    try:
        with Client.of(data_dir, timeout_s=3) as client:
            status = client.get_json("/v1/status")
    except AgentUnreachable as error:
        return Check("agent", "warn", error.message, error.hint)
    state, samples = status["sampler"]["state"], status["samples"]
    detail = f"process {status['agent']['pid']}, sampler {state}, {samples['received']} of {samples['expected']} samples received"
    if state != "running" or status["store"]["state"] != "ok":
        return Check("agent", "fail", f"{detail}; store {status['store']['state']}", f"see {data_dir}/agent.log")
    told = (_EXITS.get(status["sampler"].get("exits") or ""), _USAGE.get(status["sampler"].get("usage") or ""))
    lost = [f"{ENDS_LOST[name]}: {n:,}" for name, n in status["sampler"].get("ends_lost", {}).items()]
    return Check("agent", "ok", "; ".join([detail, *(words for words in (*told, *lost) if words)]))


def _port(settings: Settings, data_dir: Path) -> Check:
    from monitor.launcher.running import free_port, read_dashboard

    board = read_dashboard(data_dir)
    if board is not None:
        return Check("port", "ok", f"the dashboard is running at {board['url']}")
    host, port = settings.dashboard.host, settings.dashboard.port
    try:
        free_port(host, port)
    except ConfigError as error:
        return Check("port", "warn", error.message, error.hint)
    return Check("port", "ok", f"{host}:{port} is free")


def _gpu() -> Check:
    """Look for the driver without loading it. NVML may hang, so only the sampler's guarded thread calls it."""
    devices = sorted(Path("/dev").glob("nvidia[0-9]*"))
    driver = Path("/proc/driver/nvidia/version")
    if driver.exists():
        version = driver.read_text("utf-8", "replace").splitlines()[0].strip()
        if not devices:
            return Check("gpu", "warn", f"{version}, but no /dev/nvidia0", "run `nvidia-smi` once as root")
        return Check("gpu", "ok", f"{len(devices)} NVIDIA GPU(s); {version}")
    return Check("gpu", "ok", "no NVIDIA driver; there are no GPU readings")


def _engines(settings: Settings) -> list[Check]:
    """All engines. Where one works, others that nobody installed, started or named in the settings are no fault."""
    from monitor.agent.engine_watch import check_engines

    found = asyncio.run(check_engines(settings.engines, settings.ai))
    works = any(engine["state"] in _WORKS for engine in found)
    at_default = settings.origin("engines.ollama_url") == "default"
    checks = []
    for engine in found:
        unasked = engine["state"] == "missing" or (
            engine["state"] == "down" and engine["name"] == "ollama" and at_default
        )
        spare = works and unasked
        state: State = "ok" if spare or engine["state"] in _WORKS else "warn"
        checks.append(Check("engine", state, f"{engine['label']}: {engine['detail']}", engine["remedy"]))
    return checks


def _journal() -> Check:
    from logs.following.journal import journal_command

    if journal_command() is None:
        return Check("journal", "ok", "no systemd journal; log files are followed")
    if os.geteuid() == 0 or _in_group("systemd-journal") or _in_group("adm"):
        return Check("journal", "ok", "the systemd journal is readable")
    return Check(
        "journal",
        "warn",
        "only your own records of the systemd journal are readable",
        "run `sudo usermod -aG systemd-journal $USER`, then sign in again",
    )


def _in_group(name: str) -> bool:
    import grp

    try:
        return grp.getgrnam(name).gr_gid in os.getgroups()
    except KeyError:
        return False


def _inotify() -> Check:
    path = Path("/proc/sys/fs/inotify/max_user_watches")
    if not path.exists():
        return Check("inotify", "ok", "not available; files are polled")
    watches = int(path.read_text("ascii"))
    if watches < LOW_WATCHES:
        return Check(
            "inotify", "warn", f"{watches} watches", f"run `sudo sysctl fs.inotify.max_user_watches={LOW_WATCHES * 8}`"
        )
    return Check("inotify", "ok", f"{watches} watches")


def _limits() -> Check:
    if not hasattr(socket, "AF_UNIX"):
        return Check("sockets", "warn", "no Unix sockets; the agent listens on a loopback port with a token")
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)  # the agent raises the soft one to it
    if hard == resource.RLIM_INFINITY:
        return Check("files", "ok", "no limit of open files")
    if hard < 1024:
        return Check("files", "warn", f"limit of {hard} open files", "raise it: `ulimit -Hn 4096` as root")
    return Check("files", "ok", f"limit of {hard} open files")
