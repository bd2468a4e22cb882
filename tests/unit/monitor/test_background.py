"""What the agent does beside answering goes on."""

import asyncio
import logging

import pytest

from monitor.agent.background import Background


def test_a_chore_that_fails_is_told_of_and_begins_again(caplog: pytest.LogCaptureFixture) -> None:
    """A chore that raises twice runs a third time; each failure stands in the log with its cause."""
    begun = 0

    async def watch() -> None:
        done = asyncio.Event()

        async def unlucky() -> None:
            nonlocal begun
            begun += 1
            if begun < 3:
                raise ValueError(f"bad luck {begun}")
            done.set()

        background = Background(again_s=0.0)
        background.begin(unlucky)
        async with asyncio.timeout(10):
            await done.wait()
        await background.end()

    with caplog.at_level(logging.ERROR):
        asyncio.run(watch())
    assert begun == 3
    assert [str(record.exc_info[1]) for record in caplog.records if record.exc_info] == ["bad luck 1", "bad luck 2"]


def test_ended_chores_do_not_come_back() -> None:
    """At the end every chore is cancelled, and one that failed just before does not begin again."""
    begun: list[str] = []

    async def watch() -> None:
        background = Background(again_s=0.0)
        waits = asyncio.Event()

        async def patient() -> None:
            begun.append("patient")
            waits.set()
            await asyncio.Event().wait()

        async def late() -> None:
            begun.append("late")
            raise ValueError

        background.begin(patient)
        await waits.wait()
        background.begin(late)
        await background.end()
        for _ in range(5):
            await asyncio.sleep(0)
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(watch())
    assert begun.count("patient") == 1
    assert begun.count("late") <= 1
