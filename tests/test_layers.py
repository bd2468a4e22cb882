"""Imports point one way: a folder knows only folders that stand further down in the list, and each engine is known in one place."""

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LIST = """
app
pages pages.ai_parts pages.shared pages.ui pages.server
monitor monitor.cli monitor.cli.core monitor.agent monitor.api monitor.api.ai monitor.api.acting monitor.api.runs monitor.api.http
monitor.launcher monitor.client monitor.health monitor.jobs monitor.live monitor.services monitor.services.shim
monitor.sampling monitor.sampling.portable monitor.sampling.linux monitor.sampling.gpu monitor.sampling.core monitor.lifecycle
monitor.store.duckdb monitor.store.adhoc_sql monitor.store monitor.config monitor.api_models monitor.metrics monitor.core
logs logs.analytics logs.ingest logs.following logs.storing logs.patterns logs.parsing logs.parsing.reader logs.parsing.formats logs.index logs.query logs.redaction logs.core
ai ai.service ai.service.benchmarks ai.service.context ai.gateway ai.gateway.apis ai.gateway.http ai.gateway.link ai.benchmark ai.evaluation ai.explain ai.router
ai.analysis ai.analysis.rules ai.analysis.posting ai.analysis.rules.lexicon ai.backends ai.backends.ollama ai.backends.openai
ai.benchmark.reporting ai.benchmark.samples ai.worker.engines ai.worker ai.discovery ai.model_files ai.prompt_integrity
ai.shapes ai.statistics ai.core
"""
ORDER = LIST.split()
PACKAGES = {"app": {"pages", "monitor"}, "pages": {"monitor"}, "monitor": {"logs", "ai"}, "logs": set(), "ai": set()}
"""What each package may know besides itself."""
FOR_PAGES = {"monitor.client", "monitor.api_models", "monitor.config", "monitor.metrics", "monitor.core"}
"""What pages may know of monitor: they ask the agent, and see neither its store nor its insides."""
ENGINES = {"duckdb": "monitor.store", "pynvml": "monitor.sampling.gpu", "streamlit": "pages"}
MOST_MODULES = 14


@cache
def modules() -> list[tuple[str, Path]]:
    """Each module's folder, as a dotted name, and its file."""
    paths = [path for package in PACKAGES.keys() - {"app"} for path in sorted((ROOT / package).rglob("*.py"))]
    return [("app", ROOT / "app.py"), *((".".join(path.relative_to(ROOT).parent.parts), path) for path in paths)]


@cache
def imported(path: Path) -> list[str]:
    """The modules that a file imports, wherever in it."""
    found: list[str] = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found += (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += (f"{node.module}.{name.name}" for name in node.names)
    return found


@cache
def folder_of(name: str) -> str | None:
    """The folder of ours that a dotted name leads into; None for what is not ours."""
    parts = name.split(".")
    if parts[0] not in PACKAGES:
        return None
    while not (ROOT.joinpath(*parts)).is_dir() and len(parts) > 1:
        parts.pop()
    return ".".join(parts)


@cache
def arrows() -> set[tuple[str, str]]:
    """Which folder knows which."""
    found = {(folder, there) for folder, path in modules() for name in imported(path) if (there := folder_of(name))}
    return {(here, there) for here, there in found if here != there}


def test_every_folder_has_its_place() -> None:
    """The list names each folder of modules once, and nothing else."""
    assert sorted(ORDER) == sorted({folder for folder, _ in modules()})


def test_folders_know_only_what_stands_further_down() -> None:
    """No folder imports from one above it in the list, so that there is no circle and no pair that knows each other."""
    assert [(here, there) for here, there in sorted(arrows()) if ORDER.index(here) > ORDER.index(there)] == []


def test_packages_know_only_what_they_may() -> None:
    """App → pages → monitor → logs and ai: neither of the last two knows the other, or anything above it."""
    across = {(here.split(".")[0], there.split(".")[0]) for here, there in arrows()}
    assert [(here, there) for here, there in sorted(across) if here != there and there not in PACKAGES[here]] == []
    asked = {there for here, there in arrows() if here.startswith("pages") and there.startswith("monitor")}
    assert asked <= FOR_PAGES


def test_a_folder_can_be_looked_over() -> None:
    """No folder holds so many modules that nobody finds their way."""
    count = {folder: len([p for f, p in modules() if f == folder and p.stem != "__init__"]) for folder in ORDER}
    assert {folder: number for folder, number in count.items() if number > MOST_MODULES} == {}


@pytest.mark.parametrize(("engine", "home"), ENGINES.items())
def test_each_engine_is_known_in_one_place(engine: str, home: str) -> None:
    """DuckDB in the store, NVML in the sampler's part for GPUs, Streamlit in the pages and the app."""
    knows = {folder for folder, path in modules() if engine in {name.split(".")[0] for name in imported(path)}}
    assert [folder for folder in sorted(knows) if folder != "app" and not f"{folder}.".startswith(f"{home}.")] == []
