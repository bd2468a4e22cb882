"""A readable title for a process, which tells it from others of the same program: what an interpreter runs (`python worker.py`,
`python -m http.server 8000`), and the subcommand (`git fetch`, `ollama serve`, `python -m monitor agent`).
"""

import re
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
