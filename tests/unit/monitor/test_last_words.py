"""What a service said before it ended, read from the parts of its output that are its own."""

from pathlib import Path
from typing import Any

import pytest

from logs import Holder
from monitor.api_models.services import Service
from monitor.services.last_words import last_words

SERVICE: dict[str, Any] = {"name": "web", "state": "backoff", "reason": "exit code 1", "exit_code": 1, "exit_signal": None, "pid": None, "started": 10, "since": 1, "restarts": 0, "last_run": None, "ended_run": None, "run": None, "next_start": None, "next_run": None, "schedule": "", "restart": "always", "autostart": True, "command": "web", "directory": "/", "depends_on": [], "needed_by": [], "configured": True, "changed": False, "source": "web"}  # fmt: skip


@pytest.mark.parametrize(
    ("state", "pid", "started", "said"),
    [
        ("backoff", None, 10, "ValueError: first"),  # the next one has begun since
        ("running", 2, 20, "ValueError: first"),
        ("backoff", None, 20, "ValueError: second"),
        ("running", 1, 10, None),
    ],
)
def test_the_words_are_those_of_the_life_that_ended_as_it_stood(
    tmp_path: Path, state: str, pid: int | None, started: int, said: str | None
) -> None:
    """What began after the state that is told of has not ended in it, whatever it wrote."""
    output = tmp_path / "output.log"
    first, second = b"ready\nValueError: first\n", b"ready\nValueError: second\n"
    output.write_bytes(first + second)
    inode = output.stat().st_ino
    lives = [
        Holder(1, None, 10, "", 0, wrote=((inode, 0),)),
        Holder(2, None, 20, "", 0, wrote=((inode, len(first)),)),
    ]
    shown = Service.model_validate({**SERVICE, "state": state, "pid": pid, "started": started, "output": str(output)})
    assert last_words(shown, lives, str) == said
