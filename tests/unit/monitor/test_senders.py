"""Whether a command that sends signals sent one to a process, from its command line."""

import sys

import pytest

from monitor.lifecycle.senders import names, time_of

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix")


@pytest.mark.parametrize(
    ("sender", "number"),
    [
        ("kill 41", 15), ("/bin/kill -9 40 41", 9), ("kill -s HUP 41", 1), ("kill -SIGINT 41", 2), ("kill --signal=USR1 41", 10),
        ("kill -KILL -41", 9), ("kill -- -41", 15), ("pkill python", 15), ("pkill -9 -f train.py", 9), ("pkill -KILL -u ann -f train.py --deep", 9),
        ("pkill -f ^python train", 15), ("killall python3", 15), ("killall -9 sh python3", 9), ("pkill -ef train", 15),
    ],
)  # fmt: skip
def test_a_command_that_names_the_process_sent_it(sender: str, number: int) -> None:
    """By its number, its group, its name or its command line."""
    assert names(sender, pid=41, name="python3", command="python train.py --deep", number=number)


@pytest.mark.parametrize(
    ("sender", "number"),
    [
        ("kill 42", 15), ("kill -9 41", 15), ("kill -0 41", 15), ("kill -l", 15), ("kill 410", 15), ("kill -41 40", 15), ("pkill train.py", 15),
        ("pkill -f evaluate", 15), ("pkill -9", 9), ("killall python", 9), ("killall nginx", 15), ("kill -s NONSENSE 41", 15), ("kill", 15),
    ],
)  # fmt: skip
def test_another_command_did_not(sender: str, number: int) -> None:
    """Another process, another signal, or none."""
    assert not names(sender, pid=41, name="python3", command="python3.11 train.py --deep", number=number)


@pytest.mark.parametrize(
    ("command", "seconds"),
    [
        ("timeout 2 sleep 9", 2), ("timeout -s KILL 1.5m job", 90), ("timeout -k 5 --preserve-status 2h job -x 7", 7200), ("timeout --signal=KILL .5 a", 0.5),
        ("timeout", None), ("timeout soon job", None),
    ],
)  # fmt: skip
def test_the_time_that_timeout_gives_is_read(command: str, seconds: float | None) -> None:
    """The first word that is no option and no option's value."""
    assert time_of(command) == seconds
