"""Our calls on the real exllamav2 and exllamav3 (only their compiled extension stubbed): `WATCHKEEPER_CONTRACTS=1 pytest tests/ai/contract`.

The first run makes a virtual environment of its own (5 GB where the index has torch only with CUDA) in pytest's cache; later ones take seconds.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[4]
NEEDED = {
    "2": (
        ["exllamav2==0.3.2"],
        ["lm-format-enforcer", "pandas", "ninja", "fastparquet", "pygments", "websockets", "rich"],
    ),
    "3": (
        ["exllamav3==1.6.5", "formatron==0.5.0", "kbnf"],
        ["triton", "marisa_trie", "llguidance", "pyyaml", "pydantic", "websockets", "rich"],
    ),
}
COMMON = [
    "tokenizers",
    "safetensors",
    "numpy",
    "regex",
    "pillow",
    "jinja2",
    "psutil",
    "msgspec",
    "httpx",
    "starlette",
    "uvicorn",
    "general_sam",
    "frozendict",
    "jsonschema",
]


def run(*command: str) -> str:
    """What a command prints.

    Raises:
        AssertionError: it failed.
    """
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=1500, cwd=ROOT)
    assert done.returncode == 0, f"{command}: {done.stderr[-3000:]}{done.stdout[-3000:]}"
    return done.stdout


@pytest.fixture(scope="session")
def python(request: pytest.FixtureRequest) -> str:
    """The interpreter of an environment with torch (CPU) and both packages."""
    given = os.environ.get("WATCHKEEPER_CONTRACTS_PYTHON")
    if given:
        return given
    assert request.config.cache is not None
    home = request.config.cache.mkdir("exllama") / "venv"
    interpreter, done = home / "bin" / "python", home / "complete"
    if not done.exists():
        shutil.rmtree(home, ignore_errors=True)
        uv = shutil.which("uv")
        assert uv is not None
        run(uv, "venv", "--python", f"{sys.version_info.major}.{sys.version_info.minor}", str(home))
        install = [uv, "pip", "install", "--python", str(interpreter)]
        run(*install, "torch>=2.6", *COMMON, *NEEDED["2"][1], *NEEDED["3"][1])
        run(*install, "--no-deps", *NEEDED["2"][0], *NEEDED["3"][0])
        done.touch()
    return str(interpreter)


@pytest.mark.timeout(1600)
@pytest.mark.parametrize("generation", ["2", "3"])
def test_our_calls_are_the_packages_calls(python: str, tmp_path: Path, generation: str) -> None:
    """Configuration, tokenizer, model graph, caches, settings, jobs, filters, signatures; a path instead of a config fails; all of a long prompt is read."""
    out = run(python, str(Path(__file__).parent / "exllama_checks.py"), generation, str(tmp_path))
    found = json.loads(out.rpartition("RESULT ")[2])
    assert set(found.values()) == {"ok"}, found
    assert "recorded signatures" in found
    assert any("path instead of a config" in name for name in found)
    ways = {"2": {"V2", "V2 paged"}, "3": {"V3"}}[generation]
    assert {name.partition(":")[0] for name in found if ": several passes" in name} == ways
    assert {name.partition(":")[0] for name in found if ": three at a time" in name} == ways - {"V2"}
