"""The hub: what a slow subscriber loses, and how records are rationed."""

import asyncio
import json
from typing import Any

from monitor.live import BACKLOG_RECORDS, QUEUE_FRAMES, Hub, Subscriber
from monitor.models import Subscription
from monitor.world import World


class Every:
    """A filter that lets all pass."""

    def matches(self, _record: Any, /) -> bool:
        """True."""
        return True


def test_a_slow_reader_loses_the_oldest_and_is_told() -> None:
    """With a full queue the oldest frames go; the next thing sent is how many; processes come whole again."""

    async def scenario() -> None:
        hub, slow = Hub(World(), dict), Subscriber()
        slow.want(Subscription(host=True), None)
        slow.needs_full = False
        hub.add(slow)
        for number in range(QUEUE_FRAMES + 5):
            hub.publish_tick({"t": "tick", "seq": number})
        assert json.loads(await slow.next_frame()) == {"t": "lost", "frames": 5}
        assert json.loads(await slow.next_frame())["seq"] == 5
        assert slow.needs_full
        assert hub.dropped == 5
        hub.remove(slow)
        assert hub.dropped == 5
        assert hub.subscribers == 0

    asyncio.run(scenario())


def test_records_are_rationed_and_counted() -> None:
    """A frame holds the newest records; what matched beyond them is counted."""
    subscriber = Subscriber()
    subscriber.want(Subscription(logs={}), Every())
    subscriber.offer(list(range(BACKLOG_RECORDS + 7)))
    records, dropped = subscriber.take()
    assert records == list(range(7, BACKLOG_RECORDS + 7))
    assert dropped == 7
    assert subscriber.take() == ([], 0)


def test_without_a_filter_nothing_is_kept() -> None:
    """Who wants no records gets none."""
    subscriber = Subscriber()
    assert not subscriber.offer([1, 2])
    assert subscriber.take() == ([], 0)
