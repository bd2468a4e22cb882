r"""Lines and patterns for comparing the store's answers with ripgrep's on the same file, and the comparison itself.

What is defined: a record's whole original (`raw`) is searched; `\d`, `\w`, `\s` and `\b` are ASCII, as RE2 has them, so the pattern for `rg` says so;
`^` and `$` are the record's ends. On a file of one-line records both then count the same.
"""

import random
import re
import subprocess
from pathlib import Path

import logs
from logs.query import search
from logs.query.tree import Text
from monitor.store.interface import Store

ALPHABETS = (
    "abcdefghij ",
    "ABCxyz019 ",
    "äöüßÄÖéñ€日本語Ωσж ",
    ".*+?()[]{}|^$\\/-_=:;,'\"<>#!%& ",
    "\t\x1b[31m~`@ ",
    "sSkK\u212a\u0130\u017f\u03c2\u03c3\u03a3\u1e9e\xdf\u0131iI\u01c6\u01c5 ",
)
WORDS = (
    "error",
    "Error",
    "ERROR",
    "GET /a?b=1",
    "id=77",
    "größe",
    "GRÖSSE",
    "naïve",
    "C:\\temp",
    "a.b",
    "a+b",
    "$HOME",
    "(x)",
    "[y]",
    "0.5%",
    "日本",
)
_ASCII = {
    r"\d": "[0-9]",
    r"\D": "[^0-9]",
    r"\w": "[0-9A-Za-z_]",
    r"\W": "[^0-9A-Za-z_]",
    r"\s": r"[ \t\n\f\r]",
    r"\S": r"[^ \t\n\f\r]",
}
_PIECES = (
    r"\d", r"\d+", r"\w+", r"\s", r"\S+", ".", ".*", ".+?", "[a-f]", "[^a-z ]", "[0-9]{2,3}", "[äöü]", "[A-Z]+", "(?:a|b|error)", "(?:id|ID)=", "x?", "(?i:error)",
    r"\.", r"\[", r"\\", "é", "日", r"\bid\b", "[[:digit:]]", "(a)(b)?", "(?:)", r"\x61", "[-+]",
)  # fmt: skip


def lines(rng: random.Random, number: int) -> list[str]:
    """One-line records with odd characters."""
    result = []
    for at in range(number):
        parts = [
            rng.choice(WORDS)
            if rng.random() < 0.5
            else "".join(rng.choices(rng.choice(ALPHABETS), k=rng.randrange(1, 12)))
            for _ in range(rng.randrange(1, 7))
        ]
        result.append(
            f"2026-03-01 10:{at // 60 % 60:02d}:{at % 60:02d},{rng.randrange(1000):03d} - app - INFO - {' '.join(parts)}"
        )
    return result


def question(rng: random.Random, known: list[str]) -> dict[str, str]:
    """The parameters of a search: a literal or an expression, with and without regard to case."""
    case = {"case": rng.choice(["0", "1"]), "raw": "1"}
    if rng.random() < 0.5:
        line = rng.choice(known)
        begin = rng.randrange(len(line))
        text = line[begin : begin + rng.randrange(1, 12)]
        return {"q": rng.choice([text, text.upper(), text.lower(), text + "q"]), **case}
    body = "".join(rng.choice(_PIECES) for _ in range(rng.randrange(1, 5)))
    if rng.random() < 0.3:
        body = f"{body}|{rng.choice(_PIECES)}{rng.choice(_PIECES)}"
    before, behind = rng.choice(["", "", "^", "^2026.*"]), rng.choice(["", "", "$"])
    return {"q": f"{before}(?:{body}){behind}", "regex": "1", **case}


def by_rg(path: Path, asked: dict[str, str]) -> int:
    """How many lines ripgrep counts."""
    how = [] if asked["case"] == "1" else ["-i"]
    pattern = asked["q"]
    if "regex" in asked:
        pattern = re.sub(
            r"\\\\|\\[dDwWsSb]",
            lambda found: _ASCII.get(found[0], r"(?-u:\b)" if found[0] == r"\b" else found[0]),
            pattern,
        )
    else:
        how.append("-F")
    done = subprocess.run(
        ["rg", "--no-config", "-a", "-c", *how, "-e", pattern, str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode in {0, 1}, done.stderr
    return int(done.stdout or 0)


def as_query(asked: dict[str, str]) -> dict[str, str]:
    """The same search in the query language."""
    sensitive = asked["case"] == "1"
    if "regex" not in asked:
        return {"query": str(Text(asked["q"])), "case": asked["case"], "raw": "1"}
    pattern = re.sub(r"\\\\.|/", lambda found: found[0] if len(found[0]) > 1 else "\\/", asked["q"], flags=re.DOTALL)
    return {"query": f"/{pattern}/{'' if sensitive else 'i'}", "raw": "1"}


def by_store(store: Store, asked: dict[str, str]) -> int:
    """How many records the store counts."""
    return int(search.count(store, logs.LogFilter.parse(asked, 0), deadline_s=60)["count"])
