"""Services without an agent: real shims of real programs, each test in a folder of its own."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from monitor.config.services import ServiceSettings
from monitor.services.folder import FOLDER, ServiceFolder
from monitor.services.link import start_shims
from monitor.services.shim import policy, tree
from tests.waiting import wait_until


class Kept:
    """A service that a shim keeps."""

    def __init__(self, folder: Path) -> None:
        self.folder = ServiceFolder(folder)

    def start(self, **settings: Any) -> "Kept":
        """Start its shim."""
        self.folder.write_spec(ServiceSettings(name=self.folder.name, **settings))
        assert asyncio.run(start_shims([self.folder.path], os.environ)) == {}
        return self

    @property
    def state(self) -> dict[str, Any]:
        """What its shim says."""
        found = self.folder.state()
        assert found is not None
        return found

    def becomes(self, state: str) -> dict[str, Any]:
        """Wait for a state."""
        return wait_until(
            lambda: self.state if self.state["state"] == state else None,
            lambda: f"{state}, not {self.state} {(self.folder.path / 'shim.log').read_text()}",
        )

    def running(self, *, after: int | None = None) -> dict[str, Any]:
        """Wait until a main process other than `after` runs."""
        return wait_until(
            lambda: self.state if self.state["state"] == "running" and self.state["pid"] != after else None,
            lambda: f"running, not {self.state}",
        )

    def output(self) -> str:
        """What is in the file of its output."""
        return self.folder.output.read_text("utf-8") if self.folder.output.exists() else ""

    def stop(self) -> None:
        """End it by its shim, if it is there, and wait until the shim is gone."""
        found = self.folder.state()
        if found is None or found["state"] in policy.OVER:
            return
        shim, tick = int(found["shim"]), tree.start_tick(int(found["shim"]))
        if tick is not None:
            os.kill(shim, signal.SIGTERM)
            wait_until(lambda: tree.start_tick(shim) != tick, "the shim ends", seconds=30)
        self.folder.end_leftovers()


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Callable[[str], Kept]]:
    """Makes services by name, and ends them."""
    made: list[Kept] = []

    def make(name: str) -> Kept:
        made.append(Kept(tmp_path / FOLDER / name))
        return made[-1]

    yield make
    for one in made:
        one.stop()


@pytest.fixture
def python() -> Callable[..., list[str]]:
    """A command that runs a Python program, given as text, with arguments."""
    return lambda text, *arguments: [sys.executable, "-S", "-c", text, *map(str, arguments)]


def events(one: Kept) -> list[dict[str, Any]]:
    """What happened to a service."""
    return [json.loads(line) for line in (one.folder.path / "events.jsonl").read_text("utf-8").splitlines()]
