"""`watchkeeper ai …` with and without an agent."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from monitor.cli.ai_benchmark import Teller
from tests.doubles.forked import COMMANDS

ROOT = Path(__file__).resolve().parents[3]
POSTING = "Senior Python Developer at Acme GmbH, Berlin. Salary 70,000 to 85,000 EUR per year. Python and SQL."


def wk(
    *words: str | Path, data_dir: Path, stdin: str | None = None, **settings: str
) -> subprocess.CompletedProcess[str]:
    """Run `watchkeeper ai`."""
    environ = {
        **os.environ,
        "WATCHKEEPER_DATA_DIR": str(data_dir),
        "WATCHKEEPER_CONFIG": str(data_dir.parent / "none.toml"),
        "WATCHKEEPER_ENGINES__OLLAMA_URL": "",
        "WATCHKEEPER_ENGINES__DISCOVER": "false",  # the machine may have model servers of its own
        **settings,
    }
    return COMMANDS.run(["ai", *map(str, words)], environ, stdin, seconds=100)


def test_analyze_without_an_agent_falls_back_to_rules(tmp_path: Path) -> None:
    """An engine with no time to load is noted as tried; rules answer from standard input."""
    done = wk("analyze", "-", "--json", data_dir=tmp_path / "d", stdin=POSTING, WATCHKEEPER_AI__ANSWER_S="1")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["backend"] in {"rules", "llamacpp"}
    assert result["salary"]["currency"] == "EUR"
    assert "Python" in result["skills_required"]
    assert result["provenance"]["attempts"][0]["backend"] == "llamacpp"


def test_analyze_by_rules_alone_asks_nobody(tmp_path: Path) -> None:
    """In words for people, from a file."""
    posting = tmp_path / "posting.txt"
    posting.write_text(POSTING, "utf-8")
    done = wk("analyze", posting, "--rules", data_dir=tmp_path / "d")
    assert done.returncode == 0, done.stderr
    assert "Acme GmbH" in done.stdout
    assert "by rules" in done.stdout


@pytest.mark.parametrize(
    ("raw", "note"),
    [
        (b"", "no text"), (POSTING.encode("utf-16"), "utf-16"), (b"\x00\x01\x02\x90" * 900, "binary data rather than text"), pytest.param(f"{POSTING} ".encode() * 50_000, "Only the first", marks=pytest.mark.slow),
    ],
    ids=["nothing", "utf-16", "no text", "5 MB"],
)  # fmt: skip
def test_analyze_answers_whatever_the_file_holds(tmp_path: Path, raw: bytes, note: str) -> None:
    """Nothing, another encoding, no text, five megabytes: an answer that says who gave it and what was done."""
    posting = tmp_path / "posting"
    posting.write_bytes(raw)
    done = wk("analyze", posting, "--rules", "--json", data_dir=tmp_path / "d")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["backend"] == "rules"
    assert any(note in said for said in result["provenance"]["notes"])


def test_fit_and_backends_without_an_agent(tmp_path: Path, demo: Path) -> None:
    """A file by its path, and the engines found by a look of its own."""
    plan = json.loads(wk("fit", demo, "--context", "2048", "--json", data_dir=tmp_path / "d").stdout)
    assert plan["fits"]
    assert plan["context"] == 2048
    assert wk("fit", demo, "--context", "1000000", "--parallel", "4000", data_dir=tmp_path / "d").returncode == 1
    found = json.loads(wk("backends", "--json", data_dir=tmp_path / "d").stdout)
    names = [b["name"] for b in found["backends"]]
    assert [name for name in names if name not in {"ollama", "openai"}] == [
        "llamacpp",
        "exllamav2",
        "exllamav3",
    ]  # servers of tests beside it


def test_what_is_no_text_is_said_to_the_reader_too(tmp_path: Path) -> None:
    """Without --json a file of nothing gives a sentence, who answered, and the notes, not an empty table."""
    posting = tmp_path / "p.bin"
    posting.write_bytes(b"")
    done = wk("analyze", posting, "--rules", data_dir=tmp_path / "d")
    lines = done.stdout.splitlines()
    assert lines[0] == "No facts of a job posting were found."
    assert lines[1].startswith("by rules in ")
    assert "There is no text." in done.stdout


def test_wrong_use_says_what_is_wrong(tmp_path: Path) -> None:
    """A missing file and an unknown depth end with 2 and a hint."""
    for words in (["analyze", tmp_path / "nothing.txt"], ["benchmark", "--depth", "endless"]):
        done = wk(*words, data_dir=tmp_path / "d")
        assert done.returncode == 2, done.stderr
        assert done.stdout == ""
        assert "hint:" in done.stderr


def _now(phase: str, message: str) -> dict[str, Any]:
    steps = [{"step": "load", "state": "done"}, {"step": "pairs", "state": "now"}]
    return {"phase": phase, "message": message, "left_s": 12.0, "steps": steps, "figures": []}


class Terminal(io.StringIO):
    """A screen."""

    def isatty(self) -> bool:
        """It is one."""
        return True


def test_progress_is_one_line_on_a_terminal_that_is_gone_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """No new line, none wider than the screen, and nothing left before the verdict."""
    monkeypatch.setattr(sys, "stderr", screen := Terminal())
    monkeypatch.setenv("COLUMNS", "40")
    teller = Teller()
    for at in range(30):
        teller.tell(_now("pairs", f"Pairs {at} of at most 30, with a name that is long enough to be cut"))
    teller.end()
    drawn = screen.getvalue()
    assert "\n" not in drawn
    assert drawn.endswith("\r\x1b[K")
    assert max(len(part) for part in drawn.split("\r\x1b[K")) == 39
    assert "[2/2] Pairs 29" in drawn


def test_progress_elsewhere_is_a_line_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file or a pipe gets one plain line as a step begins, however long it takes, and none again where it goes back and forth."""
    monkeypatch.setattr(sys, "stderr", out := io.StringIO())
    teller = Teller()
    for at in range(30):
        teller.tell(_now("load" if at < 5 else "pairs" if at % 2 else "rest", f"Step {at}"))
    teller.end()
    assert [line.split("  ")[0] for line in out.getvalue().splitlines()] == [
        "[2/2] Step 0", "[2/2] Step 5", "[2/2] Step 6",
    ]  # fmt: skip


@pytest.mark.parametrize("screen", [Terminal, io.StringIO])
def test_the_verdict_on_speed_is_told_once_as_soon_as_it_stands(
    monkeypatch: pytest.MonkeyPatch, screen: type[io.StringIO]
) -> None:
    """On a line of its own that stays, while the time of the rest is told on."""
    monkeypatch.setattr(sys, "stderr", out := screen())
    teller = Teller()
    teller.tell(_now("pairs", "Pairs 9 of at most 30") | {"verdict_left_s": 31.0})
    for at in range(5):
        teller.tell(
            _now("quality", f"Quality of a, {at} of 5 postings answered")
            | {"verdict": "a is 2.0× as fast as b.", "left_s": 150.0}
        )
    teller.end()
    said = out.getvalue()
    assert "verdict in about 31 s" in said
    assert said.count("Verdict on speed: a is 2.0× as fast as b.\n") == 1
    assert "about 2 min left" in said


@pytest.fixture
def demo() -> Path:
    """The model that comes along."""
    from ai.discovery.files import demo_model

    path = demo_model()
    assert path is not None
    return path
