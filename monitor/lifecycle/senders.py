"""Who may have sent the signal that ended a process, read from command lines: commands that send signals, and `timeout`."""

import re
import signal
from pathlib import PurePath
from typing import Final

SENDERS: Final = ("kill", "pkill", "killall", "skill")
"""Commands that do nothing but send a signal. A shell's own `kill` is no process, and leaves no trace."""

_WITH_VALUE: Final = frozenset({"-s", "--signal", "-u", "-U", "-P", "-g", "-G", "-t", "--euid", "--uid", "--parent", "--group", "--pgroup", "-k", "--kill-after"})  # fmt: skip
_DURATION: Final = re.compile(r"(\d+(?:\.\d*)?|\.\d+)([smhd]?)")
_SECONDS: Final = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIGNAL: Final = r"-(\d+|(SIG)?[A-Z]{2,}[A-Z\d+-]*)"
_DEFAULT: Final = "TERM"


def names(sender: str, *, pid: int, name: str, command: str, number: int) -> bool:
    """Whether a command that sends signals sent this one to this process.

    >>> names("pkill -9 -f train.py", pid=7, name="python", command="python train.py", number=9)
    True

    Args:
        sender: its command line, which begins with one of `SENDERS`.
        pid: of the process that a signal ended.
        name: as the kernel has it (15 bytes).
        command: its command line.
        number: of the signal.
    """
    program, *given = sender.split()
    options, words = _split(given)
    program = PurePath(program).name
    if _number(options) != number:
        return False
    if program in {"kill", "skill"}:
        return str(pid) in words or f"-{pid}" in words
    if program == "killall":
        return name in words or PurePath(command.split(" ", 1)[0]).name in words
    pattern = " ".join(words)
    whole = any(option == "--full" or re.fullmatch(r"-[a-z]*f[a-z]*", option) for option in options)
    return bool(pattern) and pattern.strip("^$").replace("\\", "") in (command if whole else name)


def time_of(command: str) -> float | None:
    """The time, s, that `timeout` gives what it runs; None if its command line does not tell."""
    words = _split(command.split()[1:])[1]
    found = _DURATION.fullmatch(words[0]) if words else None
    return None if found is None else float(found[1]) * _SECONDS[found[2]]


def _split(given: list[str]) -> tuple[list[str], list[str]]:
    """Options, each value as `--option=value`, and the other words; `-41` behind the signal or `--` is a group of processes, and a word."""
    options: list[str] = []
    words: list[str] = []
    waiting, asked, over = "", False, False
    for word in given:
        if waiting:
            options.append(f"{waiting}={word}")
            asked = asked or waiting in {"-s", "--signal"}
            waiting = ""
        elif word in _WITH_VALUE:
            waiting = word
        elif re.fullmatch(r"-\d+", word) and (asked or over):
            words.append(word)
        elif word.startswith("-") and word != "--":
            options.append(word)
            asked = asked or re.fullmatch(_SIGNAL, word) is not None
        elif word == "--":
            over = True
        else:
            words.append(word)
    return options, words


def _number(options: list[str]) -> int | None:
    """The signal that options ask for; None if it is none of this system."""
    asked = _DEFAULT
    for option in options:
        name, _, value = option.partition("=")
        if name in {"-s", "--signal"}:
            asked = value
        elif (re.fullmatch(r"-(\d+|(SIG)?[A-Z]+\d*)", option) and len(option) > 2) or re.fullmatch(r"-\d", option):
            asked = option[1:]
    if asked.isdecimal():
        return int(asked)
    found = getattr(signal, f"SIG{asked.upper().removeprefix('SIG')}", None)
    return None if found is None else int(found)
