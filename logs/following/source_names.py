"""Short names of sources: what a person would call the file."""

import os
import re
from typing import Final

_DATE: Final = (
    r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:[-_]?\d{4,6})?"
    r"|(?:19|20)\d\d-(?:0[1-9]|1[0-2])(?:-\d\d(?:[_T\-][\d\-:.]+)?)?"
)
_ROTATED: Final = re.compile(rf"(?:[.\-_](?:{_DATE}|\d{{1,4}}))+$")
_DATED: Final = re.compile(rf"[.\-_](?:{_DATE})(?:[.\-_]\d+)*$")
_SUFFIX: Final = re.compile(r"\.(?:log|txt|out|err|jsonl|ndjson|json)$", re.IGNORECASE)
_RANDOM: Final = re.compile(
    r"(?=[^/]*\d)[0-9a-f]{8,}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|tmp[\w\-]{6,10}|\d{5,}|(?=\w*\d[a-z]+\d+[a-z]+\d)\w{16,}",
    re.IGNORECASE,
)
"""What a program made up: hashes, UUIDs, names of temporary files."""
_RANDOM_END: Final = re.compile(
    r"[._\-](?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?=[^/]*\d)[0-9a-f]{8,}|tmp[\w\-]{6,10}|\d{5,})$",
    re.IGNORECASE,
)
_ANYWHERE: Final = frozenset(
    {"tmp", "var", "log", "logs", "home", "root", "run", "data", "mnt", "opt", "srv", "usr", "out", "output"}
)
"""Folders whose names say nothing about the program."""
_VAGUE: Final = frozenset(
    {
        "log",
        "logs",
        "out",
        "err",
        "output",
        "stdout",
        "stderr",
        "nohup",
        "error",
        "access",
        "debug",
        "console",
        "messages",
        "0",
        "1",
        "main",
        "current",
        "trace",
        "info",
        "warn",
        "warning",
        "run",
        "server",
        "service",
        "application",
        "latest",
        "logfile",
    }
)


def base_path(path: str) -> str:
    """The path that the file has when it is written to, if its name is one of rotation: without the numbers that it adds, behind the suffix (`app.log.1`) or before it (`app-2026-03-01.log`)."""
    folder, name = os.path.split(path)
    stem, end = _split(name)
    base = _ROTATED.sub("", stem)
    base = base and base + end
    return os.path.join(folder, base or name)  # noqa: PTH118 - texts, not files


def _split(name: str) -> tuple[str, str]:
    suffix = _SUFFIX.search(name)
    return (name[: suffix.start()], suffix.group()) if suffix else (name, "")


class SourceNames:
    """Gives each path a short name of its own, the same for its rotated forms.

    A date in a name is one of rotation. A number may also be a worker's or a job's, so that `worker-1.log` and `worker-2.log` are two logs: it is one of rotation
    beside the log it was taken from, unless somebody writes it; behind the suffix (`app.log.1`) it is one unless somebody writes it and there is no such log.
    """

    def __init__(self) -> None:
        self._by_path: dict[str, str] = {}
        self._taken: dict[str, str] = {}

    def remember(self, path: str, source: str) -> None:
        """The path has this name already (from the store)."""
        base = self.base(path)
        self._by_path.setdefault(base, source)
        self._taken.setdefault(source, base)

    def base(self, path: str, *, written: bool = False) -> str:
        """The path of the log that `path` is a form of, its own if it is none; `written`: somebody has it open for writing, and did not write another form of it before."""
        folder, name = os.path.split(path)
        stem, end = _split(name)
        dated = _DATED.search(stem)
        if dated is not None and dated.start():  # `worker-1-2026-03-01.log` is one of `worker-1.log`
            return self.base(os.path.join(folder, stem[: dated.start()] + end), written=written)  # noqa: PTH118 - texts
        base = base_path(path)
        if base == path:
            return base
        if path in self._by_path:
            return path
        there = base in self._by_path or os.path.exists(base)  # noqa: PTH110 - a text
        behind = not end and _SUFFIX.search(base) is not None
        return base if (there or not written if behind else there and not written) else path

    def name(self, path: str, process: str = "", wanted: str = "", *, written: bool = False) -> str:
        """The name for `path`; `process` wrote it, for files whose own name says nothing; `wanted` is its name if no other file has it; `written` as in `base`."""
        base = self.base(path, written=written)
        known = self._by_path.get(base)
        if known is not None:
            return known
        found = self._free(base, process, wanted)
        self._by_path[base], self._taken[found] = found, base
        return found

    def _free(self, base: str, process: str, wanted: str) -> str:
        """The first name that no other file has: `burst.out` has its suffix beside `burst.log`, which is `burst`."""
        bare = _bare(base)
        for candidate in [wanted, f"service/{wanted}"] if wanted else _candidates(bare, process):
            holder = self._taken.get(candidate, base)
            if base in {holder, base_path(holder)}:
                return candidate
            whole = candidate + base[len(bare) :]
            if not wanted and _bare(holder) == bare and self._taken.get(whole, base) == base:
                return whole
        return base


def _bare(base: str) -> str:
    return _SUFFIX.sub("", base)


def _candidates(base: str, process: str) -> list[str]:
    """From the shortest that a person recognises to the whole path."""
    parts = [_clean(part) for part in base.split("/") if part]
    stem = parts[-1] if parts else "log"
    plain = _RANDOM_END.sub("", stem)
    folders = parts[:-1]
    speaking = [folder for folder in folders if not _RANDOM.fullmatch(folder) and folder.lower() not in _ANYWHERE]
    longer = ["/".join(parts[-number:]) for number in range(2, len(parts) + 1)]
    if speaking and folders[-1].lower() in _ANYWHERE:  # `shop/logs/app` is of the shop
        longer.insert(0, f"{speaking[-1]}/{stem}")
    if stem.lower() not in _VAGUE and plain.lower() not in _VAGUE and not _RANDOM.fullmatch(stem):
        shorter = [plain] if plain == stem else [plain, stem[: len(plain) + 5]]
        return [*shorter, stem, *longer, base]
    plain_stem = plain if plain.lower() in _VAGUE or not _RANDOM.fullmatch(stem) else _short(stem)
    random = "/".join(_short(folder) for folder in folders if _RANDOM.fullmatch(folder))
    owner = _clean(process)
    near = [f"{folders[-1]}/{plain_stem}"] if folders and folders[-1] in speaking else []
    owned = [f"{owner}/{plain_stem}", f"{owner}/{random or _short(stem)}/{plain_stem}"] if owner else []
    by_folder = [f"{speaking[-1]}/{plain_stem}", f"{speaking[-1]}/{random}/{plain_stem}"] if speaking and random else []
    return [*near, *owned, *by_folder, *longer, base]


def _short(part: str) -> str:
    """The beginning of a random name, as people write it."""
    return part[:4] if _RANDOM.fullmatch(part) else part


def _clean(part: str) -> str:
    """No commas or stars in a name: filters list names with commas and match with stars."""
    return re.sub(r"[,*\x00-\x1f\x7f]", "_", part)
