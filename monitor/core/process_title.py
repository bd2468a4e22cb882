"""A readable title for a process, which tells it from others of the same program: what an interpreter runs (`python worker.py`,
`python -m http.server 8000`), and the subcommand (`git fetch`, `ollama serve`, `python -m monitor agent`).
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final

_INTERPRETER: Final = re.compile(r"(?:python|pypy|node|deno|bun|ruby|perl|php|java|bash|dash|zsh|sh)[\d.]*")
_TAKES_VALUE: Final = frozenset({"-W", "-X", "-r", "--require", "-cp", "-classpath", "--module-path"})
_PASSED: Final = re.compile(r"/(?:dev|proc/self)/fd/\d+")
"""A script that was passed as an open file has no name."""
_SUBCOMMAND: Final = re.compile(r"[a-z][a-z0-9_-]{1,19}")
_MODULES_ARGUMENT: Final = re.compile(r"[A-Za-z0-9_-]{1,20}")
_COMMON: Final = re.compile(
    r"(?:__main__|main|app|run|start|server|index|manage|cli|train|worker|test|setup)\.(?:py|[cm]?js|ts|sh|rb|pl|php)"
)
"""Scripts of which many projects have one: their folder tells them apart."""
_SEARCHED: Final = 12
"""Number of words to search for the interpreter. A folder with spaces in its name splits its path into several words."""


def title_of(name: str, cmdline: str | None) -> str:
    """The title of a process, from the kernel's name and the command line (words joined by spaces)."""
    words = (cmdline or "").split(" ")
    if not _INTERPRETER.fullmatch(name):
        return _with_subcommand(name or "?", words)
    at = _program(words, name)
    while (at := at + 1) < len(words):
        word = words[at]
        if word in {"-m", "-jar"}:
            module = _of_module(words[at + 1 : at + 3])
            return f"{name} {word} {module}" if module else name
        if word in {"-c", "-e"}:
            return f"{name} {word} …"
        if word in _TAKES_VALUE:
            at += 1
        elif word and not word.startswith("-"):
            return name if _PASSED.fullmatch(word) else f"{name} {_script(word)}"
    return name


def told_apart(titles: Sequence[str], folders: Sequence[str | None]) -> list[str]:
    """The titles, with the end of the working directory where only that tells two of them apart.

    >>> told_apart(["python -m worker", "python -m worker", "top"], ["/srv/shop", "/srv/mail", "/"])
    ['python -m worker (shop)', 'python -m worker (mail)', 'top']
    """
    where: dict[str, set[str]] = {}
    for title, folder in zip(titles, folders, strict=True):
        if folder:
            where.setdefault(title, set()).add(folder.rstrip("/") or "/")
    ends = {title: _ends(found) for title, found in where.items() if len(found) > 1}
    return [
        f"{title} ({ends[title][folder.rstrip('/') or '/']})" if folder and title in ends else title
        for title, folder in zip(titles, folders, strict=True)
    ]


def _ends(folders: set[str]) -> dict[str, str]:
    """Of each folder as much of its end as no other has, at least its own name."""
    parts = {folder: folder.split("/") for folder in folders}
    for count in range(1, max(map(len, parts.values())) + 1):
        ends = {folder: "/".join(words[-count:]) or "/" for folder, words in parts.items()}
        if len(set(ends.values())) == len(ends):
            break
    return ends


class Titles:
    """The titles of the processes that run, each told apart from the others."""

    def __init__(self) -> None:
        self._of: dict[int, tuple[str, str | None]] = {}
        self._alike: dict[str, set[int]] = {}
        self._told: dict[int, str] = {}

    def of(self, run: int) -> str | None:
        """The title of a run; None if it does not run."""
        return self._told.get(run)

    def renew(self, born: Iterable[tuple[int, str, str | None]], gone: Iterable[int]) -> set[int]:
        """Runs, each with its title and folder, that began or changed, and those that ended. Answers which runs have another title now."""
        touched = {title for run in gone if (title := self._forget(run)) is not None}
        for run, title, folder in born:
            if (before := self._forget(run)) is not None:
                touched.add(before)
            self._of[run] = (title, folder)
            self._alike.setdefault(title, set()).add(run)
            touched.add(title)
        changed: set[int] = set()
        for title in touched:
            runs = sorted(self._alike.get(title, ()))
            for run, told in zip(
                runs, told_apart([title] * len(runs), [self._of[run][1] for run in runs]), strict=True
            ):
                if self._told.get(run) != told:
                    self._told[run] = told
                    changed.add(run)
        return changed

    def _forget(self, run: int) -> str | None:
        title, _ = self._of.pop(run, (None, None))
        if title is not None:
            self._told.pop(run, None)
            self._alike[title].discard(run)
            if not self._alike[title]:
                del self._alike[title]
        return title


def _with_subcommand(name: str, words: list[str]) -> str:
    """The name and the word behind it, where that can be a subcommand."""
    for at, word in enumerate(words[:_SEARCHED]):
        if _base(word) == name:
            return f"{name} {words[at + 1]}" if at + 1 < len(words) and _SUBCOMMAND.fullmatch(words[at + 1]) else name
    return name


def _of_module(words: list[str]) -> str:
    """A module or archive, and what it is asked to do."""
    if not words or not words[0]:
        return ""
    argument = words[1] if len(words) > 1 and _MODULES_ARGUMENT.fullmatch(words[1]) and words[1][0] != "-" else ""
    return f"{_base(words[0])} {argument}".strip()


def _script(path: str) -> str:
    """A script's name, with its folder where the name alone says little."""
    base = _base(path)
    folder = _base(path.rpartition("/")[0]) if "/" in path and _COMMON.fullmatch(base) else ""
    return f"{folder}/{base}" if folder and folder not in {".", ".."} else base


def _program(words: list[str], name: str) -> int:
    """The position of the interpreter: a word that ends in its name or in a similar one (`python3` for `python`)."""
    bases = [_base(word) for word in words[:_SEARCHED]]
    if bases[0] == name or _INTERPRETER.fullmatch(bases[0]):
        return 0
    return next((at for at, base in enumerate(bases) if base == name), 0)


def _base(word: str) -> str:
    return word.rstrip("/").rpartition("/")[2] or word
