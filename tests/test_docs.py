"""What a person can use is written down, and what is written down exists: settings, commands, options, routes."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from unittest.mock import MagicMock

from typer.core import TyperCommand, TyperGroup

from monitor.api import create_app
from monitor.cli.app import parser
from monitor.config.settings import all_fields

Page = TyperCommand | TyperGroup
ROOT = Path(__file__).resolve().parents[1]
TREE = parser()
SETTINGS = {key for key, _ in all_fields()}
SECTIONS = {key.partition(".")[0] for key in SETTINGS}
DOCUMENTS = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")] + sorted(
    (ROOT / "docs").glob("*.md")
)
COMMAND = re.compile(r"\bwatchkeeper ((?:[^\s`'\"”,;:.()→]+ ?)+)")
SETTING = re.compile(rf"(?<![\w./])({'|'.join(sorted(SECTIONS))})\.([a-z_]+)(?![\w./(])")
FILE_SUFFIXES = {"jsonl", "json", "key", "log", "err", "lock", "sock", "py", "js", "sql", "toml", "zip", "png"}


@cache
def texts() -> list[tuple[str, str]]:
    """`(where, text)` of all that a person may read: documents, strings of the code, scripts of the pages."""
    found = [(path.name, path.read_text("utf-8")) for path in DOCUMENTS]
    for path in sorted((ROOT / "pages/ui/assets").rglob("*.js")):
        quoted = re.findall(r'"[^"\n]*"|`[^`]*`', path.read_text("utf-8"))
        found += ((path.name, re.sub(r"\$\{[^}]*\}", "…", text)) for text in quoted)
    for path in [p for folder in ("monitor", "logs", "ai", "pages") for p in sorted((ROOT / folder).rglob("*.py"))]:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.JoinedStr):
                text = "".join(part.value if isinstance(part, ast.Constant) else "…" for part in node.values)
                found.append((f"{path.relative_to(ROOT)}:{node.lineno}", text))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append((f"{path.relative_to(ROOT)}:{node.lineno}", node.value))
    return found


def wrong_command(words: list[str]) -> str:
    """What of `watchkeeper …` does not exist; empty when all does."""
    page, words = TREE, words[: words.index("--")] if "--" in words else words
    while words and words[0] in getattr(page, "commands", {}):
        page, words = page.commands[words[0]], words[1:]
    if words and getattr(page, "commands", None) and re.fullmatch(r"[a-z][a-z-]*", words[0]):
        return words[0]
    options = {name for parameter in page.params for name in parameter.opts} | {"--help", "-h"}
    return next((word for word in words if word.startswith("--") and word not in options), "")


def test_every_command_that_is_named_exists() -> None:
    """A hint, a page or a document names no command or option that the command line does not have."""
    found = [
        (where, match[0], wrong)
        for where, text in texts()
        for match in COMMAND.finditer(text)
        if not text[: match.start()].endswith("from ") and (wrong := wrong_command(match[1].split()))
    ]
    assert found == []


def test_every_setting_that_is_named_exists() -> None:
    """A hint, a page or a document names no setting that does not exist."""
    found = [
        (where, match[0])
        for where, text in texts()
        for match in SETTING.finditer(text)
        if match[0] not in SETTINGS
        and match[2] not in FILE_SUFFIXES
        and not (ROOT / match[1] / match[2]).exists()
        and not (ROOT / match[1] / f"{match[2]}.py").exists()
    ]
    assert found == []


def test_every_command_is_in_the_readme() -> None:
    """The README's table has a row that begins with each command that `--help` lists."""
    rows = [line for line in (ROOT / "README.md").read_text("utf-8").splitlines() if line.startswith("| `watchkeeper")]
    named = [set(re.findall(r"`((?:[^`\s\\|]+ ?)+)", row.split(" | ")[0])) for row in rows]
    shown = {" ".join(words) for words in leaves()}
    missing = [name for name in shown if not any(said.startswith(name) for row in named for said in row)]
    assert missing == []


def leaves() -> Iterator[tuple[str, ...]]:
    """The commands without commands below them, as a person types them."""
    waiting: list[tuple[tuple[str, ...], Page]] = [(("watchkeeper",), TREE)]
    while waiting:
        words, page = waiting.pop()
        below = {name: inner for name, inner in getattr(page, "commands", {}).items() if not inner.hidden}
        waiting += [((*words, name), inner) for name, inner in below.items()]
        if not below:
            yield words


def test_every_setting_is_in_the_readme() -> None:
    """So is every setting."""
    words = (ROOT / "README.md").read_text("utf-8")
    assert [key for key in sorted(SETTINGS) if f"`{key}`" not in words] == []


def test_every_path_that_is_named_exists() -> None:
    """Each path of this repository in a document's code spans is there."""
    tops = ("app.py", "pages/", "monitor/", "logs/", "ai/", "tests/", "docs/", ".ci/")
    found = [
        (path.name, word)
        for path in DOCUMENTS
        for span in re.findall(r"`([^`]+)`|^    (.+)$", path.read_text("utf-8"), re.MULTILINE)
        for word in "".join(span).split()
        if word.startswith(tops) and not list(ROOT.glob(word.partition("::")[0].rstrip("/,")))
    ]
    assert found == []


def test_every_route_that_is_named_exists() -> None:
    """A hint, a page or a document names no route of the agent that it does not serve."""
    served = [*create_app(MagicMock(token=None), "0").openapi()["paths"], "/v1/live"]
    patterns = [re.compile(re.sub(r"\\{[^/]*\\}", r"[^/]+", re.escape(path))) for path in served]

    def known(path: str) -> bool:
        whole = any(pattern.fullmatch(path) for pattern in patterns)
        return whole or any(route.startswith(f"{path.rstrip('/')}/") for route in served)

    found = [
        (where, path)
        for where, text in texts()
        if not where.startswith("ai/")  # there it is the API of OpenAI
        for path in re.findall(r"(?<![\w/])/v1/[\w/{}-]+", text)
        if not known(path)
    ]
    assert found == []
