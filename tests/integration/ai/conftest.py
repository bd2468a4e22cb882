"""What the tests of `ai` share: one event loop and one embedded model for all of them."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ai.backends.llamacpp_embedded import LlamaCppBackend
from ai.core.types import LoadSpec
from ai.discovery.files import demo_model
from ai.worker.process import ROOT
from tests.doubles.ai_kit import CONTEXT, LoopThread

KEY = "sk-open-sesame-0123456789"


@pytest.fixture(scope="session")
def engine_loop() -> Iterator[LoopThread]:
    """The loop of the shared engines."""
    thread = LoopThread()
    yield thread
    thread.stop()


@pytest.fixture(scope="session")
def embedded(engine_loop: LoopThread) -> Iterator[LlamaCppBackend]:
    """One embedded engine for the whole session."""
    backend = LlamaCppBackend()
    yield backend
    engine_loop.run(backend.close())


@pytest.fixture
def llama(embedded: LlamaCppBackend, engine_loop: LoopThread) -> LlamaCppBackend:
    """The embedded engine with its model loaded, whatever the test before did to it."""
    engine_loop.run(embedded.ensure_loaded(LoadSpec("demo", context=CONTEXT, parallel=2, threads=1)))
    return embedded


@pytest.fixture(scope="session")
def demo_path() -> Path:
    """The demonstration model's file."""
    path = demo_model()
    assert path is not None
    return path


@pytest.fixture(scope="session")
def locked() -> Iterator[str]:
    """The address of a real llama.cpp server that answers only who knows `KEY`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, str(ROOT / "tests" / "doubles" / "locked_server.py"), str(port), KEY]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environ, text=True) as server:
        try:
            assert server.stdout is not None
            assert server.stdout.readline().strip() == "ready"
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            server.kill()
