"""Pages act only for operators: every function of a page that changes something checks the visitor first."""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor.client.alerts import AlertsClient
from monitor.client.services import ServicesClient

ROOT = Path(__file__).resolve().parents[3]
PARTS = {
    "services": (ServicesClient, {"all", "one", "actions"}, {"act", "_act", "save", "remove"}),
    "alerts": (AlertsClient, {"all", "rules"}, {"acknowledge", "save", "remove", "send_test"}),
}
"""Part of the client → its class, its methods that only read, and the functions of the pages that call the others."""


def acting(part: str) -> set[str]:
    """The methods of a part of the client that act."""
    kind, reads, _ = PARTS[part]
    public = {name for name, _ in inspect.getmembers(kind, inspect.isfunction) if not name.startswith("_")}
    return public - reads


def functions(part: str) -> Iterator[tuple[str, str]]:
    """`(where, source)` of each function of the pages that calls this part of the client."""
    for path in sorted((ROOT / "pages").rglob("*.py")):
        text = path.read_text("utf-8")
        if f"client().{part}" not in text:
            continue
        lines = text.splitlines(keepends=True)
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                source = "".join(lines[node.lineno - 1 : node.end_lineno])
                if f"client().{part}" in source:
                    yield f"{path.relative_to(ROOT)}:{node.name}", textwrap.dedent(source)


@pytest.mark.parametrize("part", PARTS)
def test_what_acts_checks_the_visitor_first(part: str) -> None:
    """`may_change()` stands before the call, in the same function."""
    calls = {
        where: text
        for where, text in functions(part)
        if any(f"{word}.{name}(" in text for name in acting(part) for word in (f".{part}", "rules"))
        or f"getattr(agent_client().{part}" in text
    }
    assert {where.partition(":")[2] for where in calls} == PARTS[part][2]
    for where, text in calls.items():
        assert 0 < text.find("may_change()") < text.find(f"agent_client().{part}"), where


@pytest.mark.parametrize("part", PARTS)
def test_the_list_of_readings_is_true(part: str) -> None:
    """What is taken for a reading here sends nothing but GET."""
    kind, reads, _ = PARTS[part]
    for name in reads:
        source = inspect.getsource(getattr(kind, name))
        assert "client.get(" in source, name
        assert "request(" not in source, name
