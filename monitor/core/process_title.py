"""A readable title for a process, which tells it from others of the same program: what an interpreter runs (`python worker.py`,
`python -m http.server 8000`), and the subcommand (`git fetch`, `ollama serve`, `python -m monitor agent`).
"""

import re
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import Final

_INTERPRETER: Final = re.compile(
    r"(?:python|pypy|node|deno|bun|ruby|perl|php|java|bash|dash|zsh|ksh|fish|ash|sh)[\d.]*"
)
_TEXTS: Final = {
    "python": re.compile(r"-[bBdEiIOPqsSuvx]*([cm])"),
    "node": re.compile(r"-(p|e)e?|--(e|p)(?:val|rint)"),
    "perl": re.compile(r"-[lnpawsiWw\d]*([eE])"),
    "php": re.compile(r"-(r)"),
    "java": re.compile(r"-(jar)"),
    "sh": re.compile(r"-[abefhiklmnprstuvxBCDEHPT]*(c)[a-zA-Z]*"),
}
"""Options behind which stands what is run, alone or as the last of several letters: a program's text, a module, an archive."""
_VALUES: Final = {
    "python": re.compile(r"-[bBdEiIOPqsSuvx]*[WX]"),
    "node": re.compile(r"-[rC]|--(?:require|import|loader|conditions|experimental-loader)"),
    "perl": re.compile(r"-[rIC]"),
    "php": re.compile(r"-[dctSz]"),
    "java": re.compile(r"-cp|-classpath|--class-path|-p|--module-path|--add-(?:opens|exports|modules)"),
    "sh": re.compile(r"[-+][a-zA-Z]*[oO]|--rcfile|--init-file"),
}
"""Options of interpreters behind which stands a value."""
_LIKE: Final = {"pypy": "python", "deno": "node", "bun": "node", "ruby": "perl"}
_RUN: Final = frozenset({"deno", "bun"})
"""Interpreters that are told to run a script by a subcommand."""
_DISPATCHES: Final = frozenset({"manage.py", "artisan", "console", "rails", "rake", "cli.py", "cli.js"})
"""Scripts that do what their first argument says."""
_TASK: Final = re.compile(r"[a-z][a-z0-9_:-]{1,30}")
_PASSED: Final = re.compile(r"/(?:dev|proc/self)/fd/\d+")
"""A script that was passed as an open file has no name."""
_INSTALLED: Final = re.compile(r"^/(?:usr|lib|s?bin)/|/(?:node_modules|(?:site|dist)-packages)/")
"""Where scripts lie that a package has brought: what fails there is mostly a command that somebody is looking at."""
_SUBCOMMAND: Final = re.compile(r"[a-z][a-z0-9_-]{1,19}")
_MODULES_ARGUMENT: Final = re.compile(r"[A-Za-z0-9_-]{1,20}")
_COMMON: Final = re.compile(
    r"(?:__main__|main|app|run|start|server|index|manage|cli|train|worker|test|setup)\.(?:py|[cm]?js|ts|sh|rb|pl|php|jar)"
)
"""Scripts of which many projects have one: their folder tells them apart."""
_VAGUE: Final = frozenset(
    {"src", "dist", "build", "out", "bin", "lib", "app", "scripts", "target", "cmd", "server", "public"}
)
"""Folders of which many projects have one: the one above tells them apart."""
_LAUNCHES: Final = frozenset({"run", "exec", "run-script", "tool", "dlx"})
"""Subcommands of `uv`, `poetry`, `npm`, `bundle` and the like, behind which stands what they start."""
_FLAGS: Final = frozenset(
    {"-q", "-v", "-s", "--quiet", "--verbose", "--silent", "--frozen", "--locked", "--isolated", "--no-sync", "--offline", "--"}
)  # fmt: skip
"""Options of those that take no value."""
_SERVED: Final = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*(?:\(\))?")
"""What `gunicorn` and `uvicorn` are told to serve: `shop.web:app`."""
_OWN_TITLE: Final = re.compile(r"[\w.@+-]+(?: ?\([\w.@-]+\))?:+ ?\S")
"""A command line that its process has set itself: `postgres: checkpointer`, `gunicorn: worker [shop]`, `ray::train`."""
_TITLE_CHARS: Final = 40
_COMMAND_CHARS: Final = 32
"""How much of a command in the command line is shown."""
_MULTIPROCESSING: Final = re.compile(r"from multiprocessing\.(spawn|forkserver|resource_tracker) import ")
_PARTS: Final = {"spawn": "worker", "forkserver": "fork server", "resource_tracker": "resource tracker"}
_RANK: Final = re.compile(r"--(?:local[-_])?rank(?:=| )(\d+)\b")
_KERNEL: Final = re.compile(r"kernel-([0-9a-f]{8})[\w-]*\.json")
_HELPER: Final = re.compile(
    r"--type=(renderer|gpu-process|utility|zygote|broker|ppapi|ppapi-broker|nacl-loader|sandbox-ipc)"
)
"""How Chromium, and every program that is built on it, tells its helpers what they are."""
_HELPS: Final = re.compile(r"(.+) \(([a-z][a-z -]*)\)")
_SERVICE: Final = re.compile(r" --utility-sub-type=([a-z_]+)\.")
_SHIM: Final = "/monitor/services/shim/run.py "
"""In the command line of the parents of services, which all are alike; each has the name of its service."""
_LONGEST_NAME: Final = 15
"""The kernel keeps so many bytes of a name."""
_SEARCHED: Final = 12
"""Number of words to search for the interpreter. A folder with spaces in its name splits its path into several words."""


def title_of(name: str, cmdline: str | None, member: str | None = None) -> str:
    """The title of a process, from the kernel's name, the command line (words joined by spaces), and which of several equal ones it is
    (`monitor.core.member`), where that is known.
    """
    words = (cmdline or "").split(" ")
    if name.startswith("memfd:") or name.isdecimal():  # run from a descriptor: the kernel knows no name
        name = words[0].rpartition("/")[2] or name
    if name.startswith("shim ") and _SHIM in (cmdline or ""):
        return name
    interpreter = name if _INTERPRETER.fullmatch(name) else _interpreter_of(name, words)
    if interpreter is None:
        helper = _helper(words) if " -" in (cmdline or "") else None
        title = f"{_called(name, words)} ({helper})" if helper else _of_program(name or "?", words)
    else:
        title = _of_interpreter(interpreter, words)
        if member is None and title != interpreter and (rank := _RANK.search(cmdline or "")) is not None:
            member = f"rank {rank[1]}"
    return f"{title} ({member})" if member else title


def is_worker_of(title: str, parent: str) -> bool:
    """Whether a process with this title is a part of its parent: of the same program, such as a worker of a pool or a browser's helper.

    >>> is_worker_of("nginx: worker process", "nginx: master process")
    True
    """
    if (found := _HELPS.fullmatch(title)) is not None and found[1] == _HELPS.sub(r"\1", parent):
        return True
    if title == parent or any(title.endswith(f" multiprocessing {part}") for part in _PARTS.values()):
        return True
    own = _OWN_TITLE.match(title) and _OWN_TITLE.match(parent)
    return bool(own) and title.partition(":")[0] == parent.partition(":")[0]


def _helper(words: list[str]) -> str | None:
    """What a process does for the browser, or the program built like one, that it belongs to; None of others."""
    if len(words) > 1 and words[1] == "-contentproc":  # Firefox: the last word, such as `tab`
        return words[-1] if _HELPS.fullmatch(f"x ({words[-1]})") else None
    kind = next((found[1] for word in words[1:_SEARCHED] if (found := _HELPER.fullmatch(word)) is not None), None)
    if kind == "utility" and (service := _SERVICE.search(" ".join(words))) is not None:
        return service[1].replace("_", " ")
    return "extension" if kind == "renderer" and "--extension-process" in words else kind


def _called(name: str, words: list[str]) -> str:
    """The program of a helper: its threads may have given themselves other names."""
    return next((base for word in words[:_SEARCHED] if _is_called(base := _base(word), name)), _base(words[0]))


def folder_of(name: str, cmdline: str | None, cwd: str | None) -> str | None:
    """The folder that tells a process from others of the same title: its script's where that is an absolute path, else the one that it works in."""
    words = (cmdline or "").split(" ")
    script = _script_of(name, words) if _INTERPRETER.fullmatch(name) or _interpreter_of(name, words) else ""
    return script.rpartition("/")[0] or "/" if script.startswith("/") else cwd


def runs_script(name: str, cmdline: str | None) -> bool:
    """Whether an interpreter runs a script, a module or an archive that somebody wrote for it: no program's text in the command line, no installed program."""
    words = (cmdline or "").split(" ")
    if not _INTERPRETER.fullmatch(name) and not _interpreter_of(name, words):
        return False
    option, at = _given(name, words, 0)
    if option == "m":
        return at < len(words)
    script = _script_of(name, words)
    beside = words[0].rpartition("/")[0]  # an environment keeps its commands where its interpreter is
    return script != "" and _INSTALLED.search(script) is None and (not beside or script.rpartition("/")[0] != beside)


def _script_of(name: str, words: list[str]) -> str:
    """What an interpreter was given to run, by its path; empty if that is none."""
    option, at = _given(name, words, 0)
    script = words[at] if option in {"", "jar"} and at < len(words) else ""
    return "" if _PASSED.fullmatch(script) else script


def _given(name: str, words: list[str], at: int) -> tuple[str, int]:
    """What an interpreter at a position was given to run: by which option (`c`, `m`, `jar`; empty for a script), and where it stands."""
    family = name.rstrip(".0123456789")
    family = _LIKE.get(family, family if family in _TEXTS else "sh")
    launched = 0
    while (at := at + 1) < len(words):
        word = words[at]
        if (text := _TEXTS[family].fullmatch(word)) is not None:
            return text[text.lastindex or 0], at + 1
        if _VALUES[family].fullmatch(word):
            at += 1
        elif word and not word.startswith("-"):
            if launched or name not in _RUN or word not in _LAUNCHES:
                break
            launched = at
    return "", launched if launched and at >= len(words) else at


def _interpreter_of(name: str, words: list[str]) -> str | None:
    """The interpreter of a process that gave its main thread another name, as PyTorch (`pt_main_thread`) and Node (`MainThread`) do; None of others."""
    first = _base(words[0])
    if not _INTERPRETER.fullmatch(first) or any(_is_called(_base(word), name) for word in words[:_SEARCHED]):
        return None
    return first


def _is_called(base: str, name: str) -> bool:
    """Whether a program of this file has that name, as far as the kernel keeps it."""
    return base == name or (len(name.encode()) >= _LONGEST_NAME and base.startswith(name))


def _of_interpreter(name: str, words: list[str]) -> str:
    option, at = _given(name, words, _program(words, name))
    if at >= len(words):
        return f"{name} -{option}" if option else name
    if option in {"m", "jar"}:
        module = _of_module(words[at:])
        return f"{name} -{option} {module}" if module else name
    if option:
        return _of_text(name, f"-{option}", " ".join(words[at:]))
    if _PASSED.fullmatch(words[at]):
        return name
    if verb := next((word for word in words[1:at] if name in _RUN and word in _LAUNCHES), ""):
        name = f"{name} {verb}"
    script, task = _script(words[at]), words[at + 1] if at + 1 < len(words) else ""
    return f"{name} {script} {task}" if _base(script) in _DISPATCHES and _TASK.fullmatch(task) else f"{name} {script}"


def _of_text(name: str, option: str, text: str) -> str:
    """A program in the command line: its beginning."""
    if (part := _MULTIPROCESSING.match(text)) is not None:
        return f"{name} multiprocessing {_PARTS[part[1]]}"
    line = " ".join(text.split())
    return f"{name} {option} {line if len(line) <= _COMMAND_CHARS else line[:_COMMAND_CHARS].rstrip() + '…'}".rstrip()


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


def _of_program(name: str, words: list[str]) -> str:
    """A program that is no interpreter: what it calls itself, else its name and what it is asked to do."""
    whole = " ".join(words).strip()
    if _OWN_TITLE.match(whole) and _is_called(whole[: len(name)], name):
        return whole if len(whole) <= _TITLE_CHARS else whole[: _TITLE_CHARS - 1].rstrip() + "…"
    for at, word in enumerate(words[:_SEARCHED]):
        if _is_called(_base(word), name):
            return f"{_base(word)} {_asked(words[at:])}".rstrip()
    return name


def _asked(words: list[str]) -> str:
    """What a program is asked to do, from its command line: the subcommand, and what that starts or serves."""
    program, rest = _base(words[0]), words[1:]
    if program in {"gunicorn", "uvicorn", "hypercorn", "granian", "daphne"}:
        return next((word for word in rest if _SERVED.fullmatch(word)), "")
    if program == "celery":
        return _of_celery(rest)
    if not rest or not _SUBCOMMAND.fullmatch(rest[0]):
        return rest[1] if rest[:1] == ["--"] and len(rest) > 1 and _SUBCOMMAND.fullmatch(rest[1]) else ""
    launched = next((word for word in rest[1:] if word not in _FLAGS), "") if rest[0] in _LAUNCHES else ""
    if launched and not launched.startswith("-"):
        started = _script(launched) if "." in launched else _base(launched)
        return f"{rest[0]} {started}" if len(started) <= _COMMAND_CHARS else rest[0]
    return rest[0]


def _of_celery(words: list[str]) -> str:
    """What a part of Celery does: `worker`, with its queues or its name."""
    part = next((word for word in words if word in {"worker", "beat", "flower", "events"}), "")
    for short, long in (("-Q", "--queues"), ("-n", "--hostname")):
        for word, value in zip_longest(words, words[1:], fillvalue=""):
            given = value if word in {short, long} else word.partition("=")[2] if word.startswith(f"{long}=") else ""
            if given and part:
                return f"{part} {given}"
    return part


def _of_module(words: list[str]) -> str:
    """A module or archive, and what it is asked to do."""
    if not words or not words[0]:
        return ""
    if words[0] in {"celery", "gunicorn", "uvicorn", "hypercorn", "daphne"}:
        return f"{words[0]} {_asked(words)}".rstrip()
    if words[0] == "ipykernel_launcher":
        kernel = _KERNEL.search(" ".join(words))
        return f"{words[0]} {kernel[1]}" if kernel else words[0]
    argument = words[1] if len(words) > 1 and _MODULES_ARGUMENT.fullmatch(words[1]) and words[1][0] != "-" else ""
    return f"{_script(words[0])} {argument}".strip()


def _script(path: str) -> str:
    """A script's name, with its folder where the name alone says little, and the one above where that says little, too."""
    base = _base(path)
    if not _COMMON.fullmatch(base):
        return base
    shown = base
    folders = path.split("/")[:-1]
    for folder in reversed(folders[2:] if path.startswith("/") else folders):  # `/srv` and its like say nothing
        if folder in {"", ".", ".."}:
            break
        shown = f"{folder}/{shown}"
        if folder not in _VAGUE:
            break
    return shown


def _program(words: list[str], name: str) -> int:
    """The position of the interpreter: a word that ends in its name or in a similar one (`python3` for `python`)."""
    bases = [_base(word) for word in words[:_SEARCHED]]
    if bases[0] == name or _INTERPRETER.fullmatch(bases[0]):
        return 0
    return next((at for at, base in enumerate(bases) if base == name), 0)


def _base(word: str) -> str:
    return word.rstrip("/").rpartition("/")[2] or word
