"""A model server that runs here is found without its address being told: its process, its settings, and how it ended."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.doubles.alone import ALONE, LOGS
from tests.waiting import wait_until

SCRIPT = "from tests.doubles.stub_engine import main\nmain()\n"


@contextmanager
def serving(tmp_path: Path) -> Iterator[tuple["subprocess.Popen[bytes]", str]]:
    """A real process that is called like llama.cpp's server and answers like one; its address is told to nobody."""
    script = tmp_path / "served.py"
    script.write_text(SCRIPT, "utf-8")
    words = [
        "llama-server",
        str(script),
        "--ctx-size",
        "4096",
        "-np",
        "2",
        "--api-key",
        "sk-abcdefghijklmnop1234",
        "-m",
        "/models/x.gguf",
    ]
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "LLAMA_ARG_THREADS": "3"}
    process = subprocess.Popen(
        words, executable=sys.executable, cwd=ROOT, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        yield process, process.stdout.readline().decode().strip()
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple["subprocess.Popen[bytes]", str]]:
    """One that runs before the agent does."""
    with serving(tmp_path) as there:
        yield there


def test_a_server_that_begins_is_found_without_waiting_for_the_next_check(
    make_agent: Callable[..., Any], tmp_path: Path
) -> None:
    """The next check is a day away; the beginning of its process is what makes the watch look, and the gateway hears of it the same way."""
    api = make_agent(
        "[logs]\ndiscover = false\njournal = false\n[engines]\nollama_url = ''\ncheck_s = 86400\n[gateway]\nenabled = true\nport = 0\n"
    ).api
    wait_until(
        lambda: api.engines().checked and api.gateway.status().state == "running", "the first check and the gateway"
    )
    with serving(tmp_path) as (process, url):
        found = wait_until(
            lambda: next((e for e in api.engines().engines if e.address == url and e.process and e.process.run), None),
            "the server is found",
            seconds=60,
        )
        assert found.process.pid == process.pid
        named = f"openai@{url.removeprefix('http://').removesuffix('/v1')}"
        wait_until(lambda: named in [e.name for e in api.gateway.status().engines], "the gateway knows it", seconds=60)


def test_a_server_is_found_with_its_process_and_its_end_is_told(
    make_agent: Callable[..., Any], server: tuple["subprocess.Popen[bytes]", str]
) -> None:
    """Engine and process lead to each other; secrets of its command line are hidden; SIGKILL is an event with this reason, and stands on its card."""
    process, url = server
    api = make_agent(f"{LOGS}[engines]\nollama_url = ''\n").api

    def found() -> Any:
        engines = api.refresh_engines().engines
        return next((e for e in engines if e.address == url and e.process and e.process.run), None)

    engine = wait_until(found, "the server is found", seconds=40)
    assert engine.label == "llama.cpp server"
    assert engine.detail == "llama.cpp server serves 1 model."
    assert (engine.process.pid, engine.process.model_file) == (process.pid, "/models/x.gguf")
    wanted = {"--ctx-size": "4096", "--parallel": "2", "--model": "/models/x.gguf", "LLAMA_ARG_THREADS": "3"}
    assert engine.process.settings == wanted
    assert "abcdefghijklmnop" not in json.dumps(engine.model_dump())
    assert api.run(engine.process.run).pid == process.pid
    process.send_signal(signal.SIGKILL)
    process.wait()

    def told() -> Any:
        events = api.events({"run": engine.process.run}).events
        return next((e for e in events if e.event_type == "ERROR"), None)

    event = wait_until(told, "the event of its end", seconds=40)
    assert event.details["engine"] == f"llama.cpp server at {url}"
    assert event.details["message"].startswith(f"model engine llama.cpp server at {url} ")
    assert "SIGKILL" in event.details["message"]
    gone = wait_until(lambda: next((e for e in api.engines().engines if e.address == url and e.state == "down"), None), "it is said to be gone")  # fmt: skip
    assert (gone.models, gone.process, gone.ended.run) == ([], None, engine.process.run)
    assert "SIGKILL" in gone.ended.said


def test_the_card_of_a_server_in_the_settings_says_how_it_ended(
    make_agent: Callable[..., Any], server: tuple["subprocess.Popen[bytes]", str]
) -> None:
    """It stays on the list, with the run and the signal, until it answers again."""
    process, url = server
    api = make_agent(f"{ALONE}openai_urls = ['{url}']\ncheck_s = 5\n").api

    def engine() -> Any:
        return next((e for e in api.engines().engines if e.address == url), None)

    found = wait_until(lambda: (e := engine()) and e.process and e.process.run and e, "the server is found", seconds=60)
    assert found.ended is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    # a check that was under way when it was killed says "error"
    gone = wait_until(lambda: (e := engine()) and e.ended and e.state == "down" and e, "its end is told", seconds=60)
    assert gone.ended.run == found.process.run
    assert "SIGKILL" in gone.ended.said
