"""The wheel as a person installs it: alone, in an environment of its own, away from the checkout."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import textwrap
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor.library import NAMES, USES_LOGS
from tests.waiting import patient, wait_until

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.wheel, pytest.mark.timeout(600)]


CLIENT = re.compile(
    r"^    from pathlib import Path\n    from watchkeeper import Client\n(?:(?:    .*)?\n)*", re.MULTILINE
)
"""The example of the client in the documents."""


def run(*command: str | Path, cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
    """Standard output of a command that must succeed."""
    done = subprocess.run(
        [str(c) for c in command], cwd=cwd, env=env, capture_output=True, text=True, timeout=patient(300), check=False
    )
    assert done.returncode == 0, f"{command} → {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built wheel."""
    out = tmp_path_factory.mktemp("dist")
    run("uv", "build", "--wheel", "--out-dir", out, ROOT)
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The `watchkeeper` command of an environment that holds only the wheel and what it asks for."""
    venv = tmp_path_factory.mktemp("installed") / "venv"
    run("uv", "venv", "--python", "3.11", venv)
    constraints = venv / "constraints.txt"
    constraints.write_text(run("uv", "export", "--no-hashes", "--no-emit-project", "--quiet", cwd=ROOT))
    run("uv", "pip", "install", "--python", venv / "bin/python", "--constraint", constraints, wheel, cwd=ROOT)
    yield venv / "bin/watchkeeper"
    shutil.rmtree(venv)


def test_the_wheel_holds_one_top_level_name(wheel: Path) -> None:
    """Nothing called `logs`, `ai`, `pages` or `app` lands in site-packages, and every part is inside."""
    names = zipfile.ZipFile(wheel).namelist()
    assert {n.split("/")[0] for n in names} - {next(n for n in names if ".dist-info" in n).split("/")[0]} == {
        "watchkeeper"
    }
    for part in (
        "app.py",
        "pages/_frame.py",
        "monitor/cli/app.py",
        "logs/__init__.py",
        "ai/__init__.py",
        ".streamlit/config.toml",
    ):
        assert f"watchkeeper/{part}" in names
    assert any(n.endswith(".sql") for n in names)
    assert any(n.startswith("watchkeeper/pages/ui/assets/") for n in names)


def test_programs_import_what_the_documents_name(installed: Path, tmp_path: Path) -> None:
    """`from watchkeeper import …` away from the checkout. A program's own module is not hidden; where it hides ours, the error says which."""
    shown = "print(analyze_job_content('Data Engineer at Acme Robotics in Berlin').title)"
    code = f"from watchkeeper import {', '.join(NAMES)}; {shown}"
    assert run(installed.parent / "python", "-c", code, cwd=tmp_path).strip() == "Data Engineer"
    (tmp_path / "logs.py").write_text("MINE = True")
    others = ", ".join(name for name in NAMES if name not in USES_LOGS)
    code = (
        f"import logs; from watchkeeper import {others}; import logs as again; assert again.MINE; {shown}\n"
        "try:\n    from watchkeeper import Client\nexcept ImportError as error:\n    print(error)"
    )
    title, why = run(installed.parent / "python", "-c", code, cwd=tmp_path).strip().splitlines()
    assert title == "Data Engineer"
    assert why.startswith("another module called 'logs' hides Watchkeeper's")


def test_the_installed_command_watches_and_ends(installed: Path, tmp_path: Path) -> None:
    """`watchkeeper` from the wheel serves its pages, reports samples, also to the program in the documents, and ends soon after Ctrl-C."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    env = {**os.environ, "HOME": str(tmp_path)}
    for name in ("VIRTUAL_ENV", "WATCHKEEPER_DATA_DIR", "XDG_DATA_HOME"):
        env.pop(name, None)
    command = [str(installed), "up", "--no-browser", "--port", str(port)]
    with (
        (tmp_path / "out.txt").open("wb") as out,
        subprocess.Popen(command, cwd=tmp_path, env=env, stdout=out, stderr=out) as launcher,
    ):

        def healthy() -> bool:
            assert launcher.poll() is None, (tmp_path / "out.txt").read_text()
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=2) as answer:
                    return answer.status == 200
            except (urllib.error.URLError, OSError):
                return False

        def sampled() -> bool:
            status = json.loads(run(installed, "status", "--json", cwd=tmp_path, env=env))
            return status["samples"]["received"] >= 2

        try:
            wait_until(healthy, "the dashboard answers", seconds=60)
            wait_until(sampled, "samples are taken", seconds=20)
            example = CLIENT.search((ROOT / "docs/ai.md").read_text("utf-8"))
            assert example is not None
            told = run(installed.parent / "python", "-c", textwrap.dedent(example[0]), cwd=tmp_path, env=env)
            assert "received=" in told
        finally:
            launcher.send_signal(signal.SIGINT)
            launcher.wait(timeout=patient(5))
    assert f"127.0.0.1:{port}" in (tmp_path / "out.txt").read_text()
