"""Short names of sources: what a person would call the file."""

import os
import re
from typing import Final

_ROTATED: Final = re.compile(r"(?:[.\-_](?:\d{1,4}|\d{8}(?:[-_]?\d{4,6})?|\d{4}-\d\d-\d\d(?:[_T\-][\d\-:.]+)?))+$")
_SUFFIX: Final = re.compile(r"\.(?:log|txt|out|err|jsonl|ndjson|json)$", re.IGNORECASE)
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
    }
)


def base_path(path: str) -> str:
    """The path that the file has when it is written to: without the numbers that rotation adds."""
    folder, name = os.path.split(path)
    base = _ROTATED.sub("", _SUFFIX.sub("", name) if _ROTATED.search(_SUFFIX.sub("", name)) else name)
    return os.path.join(folder, base or name)  # noqa: PTH118 - texts, not files


class SourceNames:
    """Gives each path a short name of its own, the same for its rotated forms."""

    def __init__(self) -> None:
        self._by_path: dict[str, str] = {}
        self._taken: dict[str, str] = {}

    def remember(self, path: str, source: str) -> None:
        """The path has this name already (from the store)."""
        base = _key(path)
        self._by_path.setdefault(base, source)
        self._taken.setdefault(source, base)

    def name(self, path: str, process: str = "") -> str:
        """The name for `path`; `process` wrote it, for files whose own name says nothing."""
        base = _key(path)
        known = self._by_path.get(base)
        if known is not None:
            return known
        for candidate in _candidates(base, process):
            if self._taken.get(candidate, base) == base:
                self._by_path[base], self._taken[candidate] = candidate, base
                return candidate
        self._by_path[base] = base
        return base


def _key(path: str) -> str:
    return _SUFFIX.sub("", base_path(path))


def _candidates(base: str, process: str) -> list[str]:
    parts = [_clean(part) for part in base.split("/") if part]
    stem = parts[-1] if parts else "log"
    longer = ["/".join(parts[-number:]) for number in range(2, len(parts) + 1)]
    if stem.lower() in _VAGUE:
        return [*longer[:1], *([f"{process}/{stem}"] if process else []), *longer[1:], base]
    return [stem, *longer, base]


def _clean(part: str) -> str:
    """No commas or stars in a name: filters list names with commas and match with stars."""
    return re.sub(r"[,*\x00-\x1f\x7f]", "_", part)
