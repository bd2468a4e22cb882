"""What a person calls a process: an interpreter is named with what it runs, `python worker.py`, `python -m http.server`."""

import re
from typing import Final

_INTERPRETER: Final = re.compile(r"(?:python|pypy|node|deno|bun|ruby|perl|php|java|bash|dash|zsh|sh)[\d.]*")
_TAKES_VALUE: Final = frozenset({"-W", "-X", "-r", "--require", "-cp", "-classpath", "--module-path"})
_PASSED: Final = re.compile(r"/(?:dev|proc/self)/fd/\d+")
"""A script that was handed over as an open file has no name."""
_SEARCHED: Final = 12
"""Words looked at for the interpreter's own: a folder with a space in its name makes several of its path."""


def title_of(name: str, cmdline: str | None) -> str:
    """The title of a process of this name (the kernel's) and command line (words joined by spaces)."""
    if not _INTERPRETER.fullmatch(name):
        return name or "?"
    words = (cmdline or "").split(" ")
    at = _program(words, name)
    while (at := at + 1) < len(words):
        word = words[at]
        if word in {"-m", "-jar"}:
            return f"{name} {word} {_base(words[at + 1])}" if at + 1 < len(words) and words[at + 1] else name
        if word in {"-c", "-e"}:
            return f"{name} {word} …"
        if word in _TAKES_VALUE:
            at += 1
        elif word and not word.startswith("-"):
            return name if _PASSED.fullmatch(word) else f"{name} {_base(word)}"
    return name


def _program(words: list[str], name: str) -> int:
    """Where the interpreter's own word ends: at its name, or at a word like it (`python3` of a `python`)."""
    bases = [_base(word) for word in words[:_SEARCHED]]
    if bases[0] == name or _INTERPRETER.fullmatch(bases[0]):
        return 0
    return next((at for at, base in enumerate(bases) if base == name), 0)


def _base(word: str) -> str:
    return word.rstrip("/").rpartition("/")[2] or word
