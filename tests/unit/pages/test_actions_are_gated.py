"""Pages act only for operators: every function of a page that changes something checks the visitor first."""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from pathlib import Path

from monitor.client.services import ServicesClient

ROOT = Path(__file__).resolve().parents[3]
READS = {"all", "one", "actions"}


def acting() -> set[str]:
    """The methods of the client that act on services and processes."""
    public = {name for name, _ in inspect.getmembers(ServicesClient, inspect.isfunction) if not name.startswith("_")}
    return public - READS


def functions() -> Iterator[tuple[str, str]]:
    """`(where, source)` of each function of the pages that calls the client's part about services."""
    for path in sorted((ROOT / "pages").rglob("*.py")):
        text = path.read_text("utf-8")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef) and "client().services" in (ast.get_source_segment(text, node) or ""):
                yield f"{path.relative_to(ROOT)}:{node.name}", textwrap.dedent(ast.get_source_segment(text, node) or "")


def test_what_acts_checks_the_visitor_first() -> None:
    """`may_change()` stands before the call, in the same function."""
    found = dict(functions())
    calls = {where: text for where, text in found.items() if any(f".services.{name}(" in text for name in acting()) or "getattr(agent_client().services" in text}  # fmt: skip
    assert {where.partition(":")[2] for where in calls} == {"act", "_act", "save", "remove"}
    for where, text in calls.items():
        assert 0 < text.find("may_change()") < text.find("agent_client().services"), where


def test_the_list_of_readings_is_true() -> None:
    """What is taken for a reading here sends nothing but GET."""
    for name in READS:
        source = inspect.getsource(getattr(ServicesClient, name))
        assert "client.get(" in source, name
        assert "request(" not in source, name
