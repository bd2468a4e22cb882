"""The arrows of docs/design.md §2, and the rule that only one place knows each engine."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LEAVES = {"errors", "masking", "identity", "wire"}
"""Small modules of `monitor` that `logs` and `ai` may know."""


def imports(path: Path) -> Iterator[str]:
    """The modules a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{name.name}" for name in node.names)


def modules(folder: str) -> list[Path]:
    """Python files below a folder."""
    return sorted((ROOT / folder).rglob("*.py"))


def offences(paths: list[Path], forbidden: tuple[str, ...], allowed: tuple[str, ...] = ()) -> list[str]:
    """Imports of forbidden packages."""

    def within(name: str, packages: tuple[str, ...]) -> bool:
        return any(name == package or name.startswith(package + ".") for package in packages)

    return [
        f"{path.relative_to(ROOT)}: {name}"
        for path in paths
        for name in imports(path)
        if within(name, forbidden) and not within(name, allowed)
    ]


def test_pages_know_only_the_client() -> None:
    """The pages see neither store, nor logs, nor ai, nor the agent."""
    assert (
        offences(modules("pages"), ("logs", "ai", "monitor.store", "monitor.agent", "monitor.api", "monitor.sampling"))
        == []
    )


@pytest.mark.parametrize(("here", "there"), [("logs", "ai"), ("ai", "logs")])
def test_logs_and_ai_do_not_know_each_other(here: str, there: str) -> None:
    """Neither knows the other, the pages, or the agent; of `monitor` only the leaves and the store's interface."""
    leaves = tuple(f"monitor.{leaf}" for leaf in LEAVES)
    assert offences(modules(here), (there, "pages", "monitor"), (*leaves, "monitor.store.interface")) == []


def test_the_store_knows_nobody_above_it() -> None:
    """Store and sampling know small leaves of `monitor` only."""
    above = ("logs", "ai", "pages", "monitor.api", "monitor.agent", "monitor.client", "monitor.world")
    assert offences([*modules("monitor/store"), *modules("monitor/sampling")], above) == []


def test_only_the_agent_knows_everyone() -> None:
    """Outside agent, API and command line nothing of `monitor` imports `logs` or `ai`."""
    free = [
        p for p in modules("monitor") if p.name != "agent.py" and not p.name.startswith("cli") and "api" not in p.parts
    ]
    assert offences(free, ("logs", "ai", "pages")) == []


def test_engines_are_known_in_one_place() -> None:
    """DuckDB in the store, NVML in the sampler's gpu modules, Streamlit in the pages."""
    everywhere = [p for folder in ("monitor", "logs", "ai", "pages") for p in modules(folder)]
    assert offences([p for p in everywhere if "store" not in p.parts], ("duckdb",)) == []
    assert offences([p for p in everywhere if not p.name.startswith("gpu")], ("pynvml",)) == []
    assert offences([p for p in everywhere if "pages" not in p.parts], ("streamlit",)) == []
