"""`ai` used by itself: its public names, and none of the packages above it."""

import json
import subprocess
import sys
from pathlib import Path

import ai

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = """
import json, sys
from ai import AIBackendBenchmark, HybridAIBackend, JobAnalyzer, analyze_job_content
import ai.service.service
result = analyze_job_content("Data Engineer at Acme GmbH, Berlin. 70,000 EUR per year.")
print(json.dumps([result.backend, result.company, sorted({name.partition(".")[0] for name in sys.modules} & {"monitor", "logs", "pages"})]))
"""


def test_every_public_name_is_there() -> None:
    """What `ai` names as its face can be had from it."""
    assert [name for name in ai.__all__ if getattr(ai, name).__name__ != name] == []


def test_an_analysis_needs_nothing_of_the_program_around_it() -> None:
    """Analysis, router, benchmark and service load neither `monitor` nor `logs`."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == ["rules", "Acme GmbH", []]
