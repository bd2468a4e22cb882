"""The README's table of settings is what the program has: `WATCHKEEPER_UPDATE_README=1 uv run pytest tests/test_readme.py` writes it anew."""

import os
from pathlib import Path

import pytest

from monitor.config.settings import load_settings

README = Path(__file__).resolve().parents[1] / "README.md"
BEGIN, END = "<!-- settings -->\n", "<!-- /settings -->"


def settings_table(nowhere: Path) -> str:
    """A row a setting: key, default with its unit, meaning."""
    rows = ["| setting | default | meaning |", "|---|---|---|"]
    for field in load_settings(nowhere, {}, {}).describe():
        value = field["default"]
        shown = (
            "none"
            if value in ([], "")
            else "on"
            if value is True
            else "off"
            if value is False
            else f"{value} {field['unit']}".strip()
        )
        note = " Takes effect at the next start." if field["restart"] else ""
        rows.append(f"| `{field['key']}` | {shown} | {field['description']}{note} |")
    return "\n".join(rows) + "\n"


def test_the_readme_lists_the_settings_in_force(tmp_path: Path) -> None:
    """Every setting stands in the README with its default and meaning, as the program says them."""
    text = README.read_text("utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    wanted = before + BEGIN + settings_table(tmp_path / "none.toml") + END + after
    if os.environ.get("WATCHKEEPER_UPDATE_README"):
        README.write_text(wanted, "utf-8")
    elif text != wanted:
        pytest.fail("README.md is behind: WATCHKEEPER_UPDATE_README=1 uv run pytest tests/test_readme.py")
