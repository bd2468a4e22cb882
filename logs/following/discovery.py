"""Finding log files: what processes hold open for writing, and what the globs name."""

import fnmatch
import glob
import os
import re
import stat
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Final

from logs.core.timestamps import TimeReader
from logs.following import log_names
from logs.following.holders import Holder, Seen, holder_of
from logs.following.newborn import NewPids
from logs.following.own_processes import Ours
from logs.following.source_names import base_path
from logs.parsing.formats.structured import JsonFormat
from logs.parsing.text import is_text

_SKIP: Final = ("/dev/", "/proc/", "/sys/", "/run/lock/", "/memfd:")
_INTERPRETER: Final = re.compile(
    r"python[\d.]*|pypy[\d.]*|node|ruby|perl|java|bash|sh|dash|zsh|php[\d.]*|Rscript|deno|bun|uv"
)
_STORE_FILE: Final = re.compile(r"(?:\d{6,}\.log|LOG(?:\.old.*)?)$")
_APPEND: Final = os.O_APPEND
_LONGEST_LINE: Final = 1 << 16
_MOST_FOLDERS: Final = 64
"""Of more folders with files that the globs name, the others are looked at with the next scan only."""


@dataclass(slots=True)
class Found:
    """A log file that is there now. `found_by`: `open`, `glob` or `service`; `source` is its name, empty if that is to be found; `holders` write it now, or were
    the last who did; `earlier` wrote it before them, one group after the other.
    """

    path: str
    dev: int
    inode: int
    found_by: str
    name: str = ""
    holders: list[Holder] = field(default_factory=list)
    source: str = ""
    earlier: list[list[Holder]] = field(default_factory=list)


class Discovery:
    """Looks through `/proc/*/fd` and the globs.

    Args:
        excluded: patterns of paths that are not read; the watch's own directory among them.
        own_pids: processes of the watch itself.
        proc: where the kernel's process files are.
        named: path and source of files that are followed in any case.
        run_of_pid: the run that has this pid now.
        big_bytes: a bigger file that the globs name is not one that somebody begins to write, so it is told as soon as it is there.
    """

    def __init__(
        self,
        *,
        globs: Iterable[str],
        excluded: Iterable[str],
        own_pids: Callable[[], set[int]],
        discover: bool,
        proc: str = "/proc",
        named: Iterable[tuple[str, str]] = (),
        run_of_pid: Callable[[int], int | None] = lambda _pid: None,
        big_bytes: int = 1 << 62,
    ) -> None:
        self._with_source = dict(named)
        self._globs = [os.path.expanduser(pattern) for pattern in globs]
        self._excluded = [os.path.expanduser(pattern) for pattern in excluded]
        self._own_pids = own_pids
        self._discover = discover
        self._proc = proc
        self._verdicts: dict[tuple[int, int, str], bool] = {}
        self._ours = Ours(proc)
        self._uid = os.geteuid()
        self._run_of_pid = run_of_pid
        self._fixed = tuple(_fixed_part(pattern) for pattern in self._globs)
        self._big_bytes = big_bytes
        self._there: frozenset[str] = frozenset()
        self._folders: dict[str, int] = {}
        """When the folders last changed (ns) in which a file that the globs name may appear."""
        self._seen = Seen()
        self._holders: dict[int, Holder | None] = {}
        """The processes that one look met."""
        self._noted = False
        """Whether it met one that writes where the globs look."""
        self._new = NewPids(proc)

    def scan(self) -> dict[tuple[int, int], Found]:
        """What is there now, by (device, inode): a file with two names is one."""
        found: dict[tuple[int, int], Found] = {}
        for path, source in self._with_source.items():
            self._with_name(path, source, found)
        named = self._look_for_named()
        self._holders = {}
        self._seen.forget()
        if self._discover or self._globs:
            young = self._new.young()
            self._new.mark()
            pids = self._pids()
            self._new.forget(pids)
            there = set(pids)
            pids = [*(pid for pid in young if pid in there), *there.difference(young)]  # the young may end any moment
            self._ours.look(pids, self._own_pids() | {os.getpid()})
            for pid in pids:
                if pid not in self._ours.pids:
                    self._open_files(pid, found)
        for path in named:  # as it was before the processes were looked at: whoever holds such a file has been seen
            self._named(path, found)
        if len(self._verdicts) > 50_000:
            self._verdicts.clear()
        return found

    def look_at_new(self) -> list[Found]:
        """Files that processes hold which began since the last scan, and big ones that somebody put where the globs look; called often, so that a program is
        met which ends before the next one.
        """
        found: dict[tuple[int, int], Found] = {}
        self._holders, self._noted = {}, False
        if self._discover or self._globs:
            for pid in self._new.young():
                self._open_files(pid, found)
        named = self._put_there()
        if not found and not self._noted:
            return named
        self._ours.look(self._pids(), self._own_pids() | {os.getpid()}, often=True)
        for one in found.values():
            one.holders = [holder for holder in one.holders if holder.pid not in self._ours.pids]
        return [*named, *(one for key, one in found.items() if one.holders and key not in self._ours.files)]

    def excludes(self, path: str) -> bool:
        """Whether the settings forbid to read `path`."""
        return base_path(path) not in self._with_source and any(
            fnmatch.fnmatchcase(path, pattern) or path.startswith(pattern.rstrip("/") + "/")
            for pattern in self._excluded
        )

    def _look_for_named(self) -> list[str]:
        """The paths that the globs name now, each once."""
        # Before the globs look: what appears meanwhile is found the next time
        before = {folder: _changed(folder) for folder in map(os.path.dirname, self._fixed)}
        named = [path for pattern in self._globs for path in sorted(glob.iglob(pattern, recursive=True))]
        self._there = frozenset(named)
        folders = {os.path.dirname(path) for path in named}.difference(before)
        self._folders = before | {folder: _changed(folder) for folder in sorted(folders)[:_MOST_FOLDERS]}
        return named

    def _put_there(self) -> list[Found]:
        """Big files that the globs name and that were not there when they looked last."""
        if all(_changed(folder) == at for folder, at in self._folders.items()):
            return []
        before = self._there
        found: dict[tuple[int, int], Found] = {}
        for path in self._look_for_named():
            if path not in before:
                self._named(path, found, least=self._big_bytes)
        return list(found.values())

    def _pids(self) -> list[int]:
        try:
            return [int(name) for name in os.listdir(self._proc) if name.isdecimal()]
        except OSError:
            return []

    def _open_files(self, pid: int, found: dict[tuple[int, int], Found]) -> None:
        folder = f"{self._proc}/{pid}/fd"
        try:
            if self._uid and os.stat(folder).st_uid != self._uid:
                return
            names = os.listdir(folder)
        except OSError:  # it ended, or it is another user's
            return
        for name in names:
            try:
                path = os.readlink(f"{folder}/{name}")
                if path[0] != "/" or path.startswith(_SKIP) or path.endswith(" (deleted)"):
                    continue
                named = path.startswith(self._fixed) if self._fixed else False
                if named or (self._discover and not log_names.never(path)):
                    self._consider(pid, name, path, found, named=named)
            except OSError:
                continue

    def _consider(self, pid: int, fd: str, path: str, found: dict[tuple[int, int], Found], *, named: bool) -> None:
        """A file that a process holds; `named`: where the globs may name it."""
        status = os.stat(f"{self._proc}/{pid}/fd/{fd}")
        if not stat.S_ISREG(status.st_mode) or not (flags := self._written_with(pid, fd)):
            return
        key = (status.st_dev, status.st_ino)
        if key in self._ours.files or self._is_ours(pid, fd, key):
            return
        output = fd in {"1", "2"}
        self._ours.share(key, pid)
        if named and (holder := self._holder(pid)) is not None:
            self._noted = True
            self._seen.note(key, replace(holder, output=output))
        if not self._discover or log_names.never(path):
            return
        known = found.get(key)
        if known is not None:
            if known.found_by != "service" and pid not in {holder.pid for holder in known.holders}:
                self._add_holder(pid, known, output=output)
            return
        if not output and (log_names.kept(path) or _of_a_store(path)):
            return
        appends = bool(flags & _APPEND)
        if self._is_log(path, key, status.st_size, appends=appends, output=output):
            name = _name_of(self._proc, pid)
            if output or not log_names.copies(path, name, appends=appends):
                found[key] = Found(path, *key, "open", name)
                self._add_holder(pid, found[key], output=output)

    def _is_ours(self, pid: int, fd: str, key: tuple[int, int]) -> bool:
        """Whether a process that began lately holds the file as one of the watch. A child has all files of who forked it, and its command, until it becomes its own
        program: so its command counts only while it still holds the file.
        """
        if not self._ours.may_change(pid):
            return False
        if self._ours.is_one_now(pid):
            return True
        status = os.stat(f"{self._proc}/{pid}/fd/{fd}")
        return (status.st_dev, status.st_ino) != key

    def _written_with(self, pid: int, fd: str) -> int:
        """With which flags a process opened a file for writing; 0 of one that it only reads."""
        with open(f"{self._proc}/{pid}/fdinfo/{fd}", "rb") as info:
            flags = _flags(info.read(256))
        return 0 if flags & os.O_ACCMODE == os.O_RDONLY else flags

    def _add_holder(self, pid: int, found: Found, *, output: bool) -> None:
        if (holder := self._holder(pid)) is not None:
            found.holders.append(replace(holder, output=output))

    def _holder(self, pid: int) -> Holder | None:
        if pid not in self._holders:
            self._holders[pid] = holder_of(pid, self._run_of_pid)
        return self._holders[pid]

    def _is_log(self, path: str, key: tuple[int, int], size: int, *, appends: bool, output: bool) -> bool:
        verdict = self._verdicts.get((*key, path))
        if verdict is not None:
            return verdict
        named, data = log_names.like_a_log(path), not output and log_names.may_be_data(path)
        if not (named or appends or output) or self.excludes(path):
            verdict = False
        elif size == 0:
            return named and not data  # its first line will tell
        else:
            verdict = _sniff(path, key, _tells_of_events if data else is_text)
        if verdict is None:
            return False
        self._verdicts[(*key, path)] = verdict
        return verdict

    def _with_name(self, path: str, source: str, found: dict[tuple[int, int], Found]) -> None:
        try:
            status = os.stat(path)
        except OSError:  # nothing was written yet
            return
        if stat.S_ISREG(status.st_mode):
            key = (status.st_dev, status.st_ino)
            found[key] = Found(path, *key, "service", source, source=source)

    def _named(self, path: str, found: dict[tuple[int, int], Found], least: int = 0) -> None:
        path = os.path.realpath(path)
        try:
            status = os.stat(path)
        except OSError:
            return
        key = (status.st_dev, status.st_ino)
        if (
            key in found
            or self._ours.printed(key, status.st_mtime_ns)
            or status.st_size < least
            or not stat.S_ISREG(status.st_mode)
            or self.excludes(path)
            or path.endswith((".gz", ".zst", ".xz", ".bz2", ".zip"))
        ):
            return
        verdict = self._verdicts.get((*key, path))
        if verdict is None:
            try:
                verdict = status.st_size == 0 or bool(_sniff(path, key))
            except OSError:
                verdict = False
            if status.st_size:
                self._verdicts[(*key, path)] = verdict
        if verdict:
            groups = self._seen.groups(key) or [[]]
            found[key] = Found(path, *key, "glob", holders=groups[-1], earlier=groups[:-1])


def _fixed_part(pattern: str) -> str:
    """What all paths of a glob begin with."""
    return re.split(r"[*?\[]", pattern, maxsplit=1)[0]


def _changed(folder: str) -> int:
    """When something was last put into a folder or taken out, ns; -1 where there is none."""
    try:
        return os.stat(folder).st_mtime_ns
    except OSError:
        return -1


def _flags(info: bytes) -> int:
    for line in info.splitlines():
        if line.startswith(b"flags:"):
            return int(line.split()[1], 8)
    return 0


def _name_of(proc: str, pid: int) -> str:
    """What a person calls the process: its program, or what an interpreter runs."""
    with open(f"{proc}/{pid}/comm", "rb") as comm:
        name = comm.read().decode("utf-8", "replace").strip()
    if _INTERPRETER.fullmatch(name) is None:
        return name
    with open(f"{proc}/{pid}/cmdline", "rb") as command:
        words = command.read(4096).decode("utf-8", "replace").split("\0")[1:]
    for number, word in enumerate(words):
        if word in {"-m", "-jar"} and number + 1 < len(words):
            return os.path.splitext(os.path.basename(words[number + 1]))[0] or name
        if word in {"-c", "-e"}:
            break
        if word and not word.startswith("-"):
            return os.path.splitext(os.path.basename(word))[0] or name
    return name


def _of_a_store(path: str) -> bool:
    """Whether it is the write-ahead log or the notes of a LevelDB or RocksDB store: the former is no text, the notes of a LevelDB tell a person nothing."""
    folder, name = os.path.split(path)
    if _STORE_FILE.match(name) is None or not os.path.exists(f"{folder}/CURRENT"):
        return False
    return name[0].isdigit() or not any(other.startswith("OPTIONS-") for other in os.listdir(folder))


def _tells_of_events(fd: int) -> bool | None:
    """Whether lines of JSON have a time or a level, as records have and rows of data seldom do; None before there is a whole line."""
    if not is_text(fd):
        return False
    line, end, _ = os.pread(fd, _LONGEST_LINE, 0).partition(b"\n")
    if not end:
        return None if len(line) < _LONGEST_LINE else False
    header = JsonFormat().read(line.decode("utf-8", "replace"), TimeReader(lambda: time.time_ns() // 1000))
    return header is None or header.ts is not None or bool(header.level)


def _sniff(path: str, key: tuple[int, int], look: Callable[[int], bool | None] = is_text) -> bool | None:
    """Whether the path still leads to that file, and what a look into it says: by default whether it is text."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    try:
        status = os.fstat(fd)
        return (status.st_dev, status.st_ino) == key and stat.S_ISREG(status.st_mode) and look(fd)
    finally:
        os.close(fd)
