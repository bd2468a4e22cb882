"""The hub: what a slow subscriber loses, and how records are rationed."""

import asyncio
import json
from typing import Any

from monitor.api_models.status import Subscription
from monitor.live.hub import BACKLOG_RECORDS, QUEUE_FRAMES, Hub, Subscriber
from monitor.live.snapshot import BLANK, Moment, Snapshot
from tests.doubles.ticks import tick


class Every:
    """A filter that lets all pass."""

    def matches(self, _record: Any, /) -> bool:
        """True."""
        return True


def nothing() -> dict[str, Any]:
    """No news."""
    return {}


async def frames(subscriber: Subscriber) -> list[dict[str, Any]]:
    """Every frame that waits to be sent."""
    found = []
    while subscriber.waiting:
        found.append(json.loads(await subscriber.next_frame()))
    return found


def test_a_slow_reader_loses_the_oldest_and_is_told() -> None:
    """With a full queue the oldest frames go; the next thing sent is how many; processes come whole again."""

    async def scenario() -> None:
        hub, slow = Hub(Snapshot(), lambda _columns: dict, nothing), Subscriber()
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


def test_another_filter_forgets_what_the_one_before_let_pass() -> None:
    """Records that wait for the next frame, and what was lost of them, are of the old wish and go with it."""
    subscriber = Subscriber()
    subscriber.want(Subscription(logs={}), Every())
    subscriber.offer(list(range(BACKLOG_RECORDS + 7)))
    subscriber.want(Subscription(logs={"q": "new"}), Every())
    assert subscriber.take() == ([], 0)


def test_who_comes_is_told_the_status_at_once() -> None:
    """The first frame of one who wants the slower news is what is known of them, though nothing was published; and only once."""

    async def scenario() -> None:
        hub, comer = Hub(Snapshot(), lambda _columns: dict, lambda: {"processes": 7}), Subscriber()
        hub.add(comer)
        for _ in range(2):
            comer.want(Subscription(host=True, status=True), None)
            hub.welcome(comer)
        assert await frames(comer) == [{"t": "status", "processes": 7}]

    asyncio.run(scenario())


def test_who_lost_frames_gets_the_last_minutes_again() -> None:
    """A tab whose queue overflowed has no hole left: after what it lost it gets the history, once there is room."""

    async def scenario() -> None:
        snapshot = Snapshot()
        hub, slow = Hub(snapshot, lambda _columns: dict, nothing), Subscriber()
        slow.want(Subscription(host=True, history_s=300), None)
        hub.add(slow)
        for seq in range(QUEUE_FRAMES + 1):
            snapshot.accept(tick(seq))
            hub.publish_tick({"t": "tick", "seq": seq})
        await frames(slow)
        snapshot.accept(tick(99))
        hub.publish_tick({"t": "tick", "seq": 99})
        seen, history = await frames(slow)
        assert seen["seq"] == 99
        assert history["t"] == "history"
        assert [ts for ts in history["ts"] if ts >= tick(0).ts][: QUEUE_FRAMES + 1] == [
            tick(seq).ts for seq in range(QUEUE_FRAMES + 1)
        ]

    asyncio.run(scenario())


def test_a_longer_past_is_told_to_everyone() -> None:
    """When the minutes of an earlier life are found, those who listen already get them with the next reading."""

    async def scenario() -> None:
        snapshot = Snapshot()
        hub, early = Hub(snapshot, lambda _columns: dict, nothing), Subscriber()
        early.want(Subscription(host=True), None)
        hub.add(early)
        snapshot.accept(tick(5))
        hub.publish_tick({"t": "tick", "seq": 5})
        await frames(early)
        snapshot.recall([Moment(tick(1).ts, tick(1).mono_ns, BLANK)])
        hub.retell()
        snapshot.accept(tick(6))
        hub.publish_tick({"t": "tick", "seq": 6})
        assert [frame["t"] for frame in await frames(early)] == ["tick", "history"]

    asyncio.run(scenario())


def test_who_comes_sees_the_newest_reading_at_once() -> None:
    """Nobody waits up to a second for the next reading: the newest is the first thing sent, once."""

    async def scenario() -> None:
        hub, comer = Hub(Snapshot(), lambda _columns: dict, nothing), Subscriber()
        hub.publish_tick({"t": "tick", "seq": 1})
        hub.publish_tick({"t": "tick", "seq": 2})
        hub.add(comer)
        for _ in range(2):
            comer.want(Subscription(host=True, status=False), None)
            hub.welcome(comer)
        assert [frame["seq"] for frame in await frames(comer)] == [2]
        hub.publish_tick({"t": "tick", "seq": 3})
        assert [frame["seq"] for frame in await frames(comer)] == [3]

    asyncio.run(scenario())


def test_who_begins_to_follow_gets_what_may_not_be_stored_yet() -> None:
    """Records that were read just before are sent too, those of this filter, after the sign that one follows."""

    async def scenario() -> None:
        hub, comer = Hub(Snapshot(), lambda _columns: dict, nothing), Subscriber()
        hub.publish_records([{"id": "a"}, {"id": "b"}])
        hub.add(comer)
        comer.want(Subscription(host=False, status=False, logs={}), Every())
        hub.follow(comer)
        hub.publish_records([{"id": "c"}])
        assert await frames(comer) == [{"t": "following", "logs": {}, "tag": 0}]
        assert comer.take() == ([{"id": "a"}, {"id": "b"}, {"id": "c"}], 0)

    asyncio.run(scenario())


def test_another_wish_beside_the_same_records_lets_none_go() -> None:
    """Who asks for processes too, or no more, while records stream keeps what waits, and nothing begins anew."""
    hub = Hub(Snapshot(), lambda _columns: dict, dict)
    subscriber = Subscriber()
    hub.add(subscriber)
    assert subscriber.want(Subscription(processes=True, logs={}, logs_tag=3), Every())
    subscriber.offer([{"n": n} for n in range(BACKLOG_RECORDS)])
    assert not subscriber.want(Subscription(processes=False, logs={}, logs_tag=3), Every())
    records, dropped = subscriber.take()
    assert (len(records), dropped) == (BACKLOG_RECORDS, 0)
    assert subscriber.want(Subscription(processes=False, logs={}, logs_tag=4), Every())
    assert subscriber.want(Subscription(processes=False, logs={"q": "x"}, logs_tag=4), Every())
    assert not subscriber.want(Subscription(processes=False, logs=None), None)
