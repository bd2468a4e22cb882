"""What a service printed is stored or counted as missed, to the byte, however fast it is rotated away."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from monitor.services.folder import FOLDER, ServiceFolder
from tests.integration.monitor.services.conftest import Kept
from tests.waiting import wait_until

LINE = 100
FLOOD = f"""
import os, pathlib, sys, time
begin, end, rest, done = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), pathlib.Path(sys.argv[4])
for at in range(begin, end, 500):
    os.write(1, b"".join(b"INFO line %09d " % n + b"x" * ({LINE} - 21) + b"\\n" for n in range(at, at + 500)))
    time.sleep(rest)
done.touch()
"""
Python = Callable[..., list[str]]


def flood(begin: int, end: int, done: Path, rest: float = 0.0) -> list[str]:
    """A command that prints numbered lines, in blocks with rests between them (seconds)."""
    return [sys.executable, "-S", "-c", FLOOD, str(begin), str(end), str(rest), str(done)]


def test_a_shim_knows_which_bytes_are_in_which_file(kept: Callable[[str], Kept], tmp_path: Path) -> None:
    """Of all that was ever printed, over two starts, a killed shim, a file that somebody empties and one that somebody removes."""
    one, printed = kept("counted"), 0

    def run(lines: int) -> dict[str, Any]:
        nonlocal printed
        one.start(command=flood(0, lines, tmp_path / "done"), restart="never", output_mb=0.2, output_kept=2)
        one.becomes("exited")
        wait_until(lambda: not (one.folder.path / "control").exists(), "the shim ends")
        printed += lines * LINE
        account: dict[str, Any] = one.state["account"]
        begins = dict(account["files"])
        there = sorted((begins[path.stat().st_ino], path) for path in one.folder.path.glob("output.log*"))
        ends = [begin + path.stat().st_size for begin, path in there]
        assert all(end <= begin for end, (begin, _) in zip(ends, there[1:], strict=False))
        assert (account["written"], account["gone"], ends[-1]) == (printed, there[0][0], printed)
        return account

    assert run(1000)["gone"] == 0
    assert run(20_000)["gone"] > 1_000_000
    os.truncate(one.folder.output, 0)
    since = run(1000)["since"]
    one.folder.output.unlink()
    assert run(20_000)["since"] == since


@pytest.mark.parametrize("away", [False, True], ids=["there", "away"])
def test_what_is_rotated_away_unread_is_counted_to_the_byte(
    make_agent: Callable[..., Any],
    tmp_path: Path,
    away: bool,  # noqa: FBT001 - a parameter
) -> None:
    """A service prints faster than anybody reads, or while no agent runs: what is stored and what is counted are together what it printed, also after another start."""
    agent, lines, done = make_agent("[logs]\njournal = false\n"), 0, tmp_path / "done"

    def source() -> Any:
        return next((one for one in agent.api.log_sources().sources if one.source == "flood"), None)

    def balance() -> int:
        """Bytes of which nobody says where they are."""
        if (one := source()) is None:
            return lines * LINE
        assert one.missed_bytes == one.rotated_bytes
        return lines * LINE - int(one.records) * LINE - one.missed_bytes

    def print_more(count: int, rest: float = 0.0) -> None:
        nonlocal lines
        done.unlink(missing_ok=True)
        settings = {
            "command": flood(lines, lines + count, done, rest),
            "restart": "never",
            "output_mb": 0.1,
            "output_kept": 1,
        }
        agent.api.services.save("flood", {**settings, "autostart": False})
        agent.api.services.start("flood")
        lines += count

    print_more(500)
    wait_until(lambda: balance() == 0, lambda: f"{balance()} bytes are nowhere", seconds=60)
    print_more(100_000, 0.01 if away else 0.0)
    if away:
        wait_until(lambda: source().records > 500, "some of it is read", seconds=60)
        agent.kill()
        wait_until(done.exists, "it printed all", seconds=60)
        folder = ServiceFolder(agent.data_dir / FOLDER / "flood")
        wait_until(lambda: (folder.state() or {}).get("state") == "exited", "and is over", seconds=60)
        agent.start()
    wait_until(lambda: balance() == 0, lambda: f"{balance()} bytes are nowhere: {source()}", seconds=90)
    assert source().rotated_bytes > 0
    agent.stop()
    agent.start()
    assert balance() == 0
    print_more(500)
    wait_until(lambda: balance() == 0, lambda: f"{balance()} bytes are nowhere", seconds=60)
    told = [
        one
        for one in agent.api.query("SELECT message FROM events WHERE kind = 'LOST'").rows
        if "rotated away" in one[0]
    ]
    assert told
    agent.api.services.remove("flood")
