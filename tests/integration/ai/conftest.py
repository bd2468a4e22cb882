"""What the tests of `ai` share: one event loop and one embedded model for all of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ai.backends.llamacpp_embedded import LlamaCppBackend
from ai.core.types import LoadSpec
from ai.discovery.files import demo_model
from tests.doubles.ai_kit import CONTEXT, LoopThread


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
