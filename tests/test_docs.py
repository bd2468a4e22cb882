"""What a person can use is written down: settings, commands, routes."""

from pathlib import Path

import pytest

from monitor.settings import all_fields

ROOT = Path(__file__).resolve().parents[1]
COMMANDS = ("agent", "down", "status", "doctor", "ps", "logs", "query", "engines", "settings", "password")


@pytest.fixture(scope="module")
def words() -> str:
    """README and docs."""
    files = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    return "\n".join(path.read_text("utf-8") for path in files)


def test_every_route_is_in_the_design() -> None:
    """Each path of the API modules stands in docs/design.md."""
    design = (ROOT / "docs/design.md").read_text("utf-8")
    for route in (
        "/v1/status",
        "/v1/processes",
        "/v1/runs/{run}",
        "/v1/logs/records",
        "/v1/engines",
        "/v1/settings",
        "/v1/query",
        "/v1/live",
    ):
        assert route in design


@pytest.mark.parametrize("section", sorted({key.split(".")[0] for key, _ in all_fields()}))
def test_every_setting_is_in_the_readme(words: str, section: str) -> None:
    """Once the README has a part about settings, every one of them is in it."""
    if "store.limit_mb" in words:
        missing = [key for key, _ in all_fields() if key.startswith(f"{section}.") and key not in words]
        assert missing == []


def test_every_command_is_in_the_readme(words: str) -> None:
    """Once the README shows commands, every one of them is in it."""
    if "watchkeeper status" in words:
        assert [c for c in COMMANDS if f"watchkeeper {c}" not in words] == []
