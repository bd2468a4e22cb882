"""The names for programs: every example of the documents runs as it stands, on servers in place of those it names."""

import io
import json
import re
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest

import ai.benchmark.runner
import ai.door
from ai.backends.exllama_client import ExLlamaV2Client
from ai.core.errors import MissingPiece
from ai.shapes.report import BenchmarkPlan
from monitor import library
from tests.doubles.chat_server import serve

ROOT = Path(__file__).resolve().parents[3]
EXAMPLES = re.findall(r"```python\n(.*?)```", (ROOT / "docs/ai.md").read_text("utf-8"), re.DOTALL)
STAR = """
import importlib.util, json, sys
spec = importlib.util.spec_from_file_location("watchkeeper", "monitor/_entry.py")
watchkeeper = sys.modules["watchkeeper"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(watchkeeper)
before = {*globals(), "before"}
from watchkeeper import *
print(json.dumps([dir(watchkeeper), sorted({*globals()} - before), callable(analyze_job_content)]))
"""
"""The package as it is installed, here from its source."""
POSTING = "Data Engineer\n\nAcme Robotics is looking for a Data Engineer in Berlin."


def test_every_name_is_there_and_documented() -> None:
    """What can be imported is what the documents import."""
    named = {
        name.strip()
        for line in re.findall(r"from watchkeeper import (.*)", (ROOT / "docs/ai.md").read_text("utf-8"))
        for name in line.split(",")
    }
    assert named <= library.NAMES.keys()
    for name in library.NAMES:
        assert library.load(name).__name__ == name


def test_an_editor_offers_the_names_and_a_star_brings_them() -> None:
    """`dir(watchkeeper)` and `from watchkeeper import *` have what programs use, and nothing else."""
    done = subprocess.run([sys.executable, "-c", STAR], cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [sorted(library.NAMES), sorted(library.NAMES), True]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda text: re.findall(r"import (\w+)", text)[-1])
def test_an_example_runs_as_it_stands(example: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Copied from the documents; only the addresses are those of servers that exist here, and a benchmark is shorter."""
    short = BenchmarkPlan(budget_s=3, max_blocks=8, batches=[])
    monkeypatch.setattr(ai.benchmark.runner, "BenchmarkPlan", lambda: short)
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:1")
    monkeypatch.setattr("ai.service.context.candidates.demo_model", lambda: None)
    with serve() as first, serve() as second:
        code = example.replace("http://127.0.0.1:8000", first).replace("http://127.0.0.1:8001", second)
        code = re.sub(
            r"from watchkeeper import (.*)",
            lambda m: "\n".join(f"{name} = library.load({name!r})" for name in m.group(1).split(", ")),
            code,
        )
        said, names = io.StringIO(), dict[str, Any](library=library)
        with redirect_stdout(said):
            exec(code, names)  # noqa: S102 - our own documents
    assert re.search(r"Data Engineer|openai@127|could not be compared", said.getvalue()), said.getvalue()


def test_an_analysis_keeps_the_time_it_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """Engines that take longer are not waited for; rules answer, and say why."""

    async def forever(*_: object) -> None:
        import asyncio

        await asyncio.Event().wait()

    monkeypatch.setattr("ai.service.service.AiService.analyze", forever)
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:1")
    result = ai.door.analyze_job_content(POSTING, within_s=0.2)
    assert (result.backend, result.title) == ("rules", "Data Engineer")
    assert "within 0.2 s" in result.provenance.notes[0]
    assert ai.door.analyze_job_content(POSTING).backend == "rules"


def test_the_client_of_exllama_says_what_is_missing() -> None:
    """Without the package: the remedy, and no thread is left."""
    with ExLlamaV2Client("/nowhere", max_seq_len=2048) as client:
        assert client.spec.context == 2048
        with pytest.raises(MissingPiece) as caught:
            client.generate("hi")
        assert "pip install" in caught.value.hint
        assert caught.value.__notes__ == [caught.value.hint], "shown below a traceback"
        with pytest.raises(MissingPiece):
            client.load()
    client.close()
