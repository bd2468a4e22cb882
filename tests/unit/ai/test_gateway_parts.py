"""Parts of the gateway that need no process: routing, keys, figures of an answer, translation of whatever stream, who may wait."""

import asyncio
import json
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai.core.errors import BackendDown, BackendTimeout, BadOutput, InputError, ModelMissing, StreamCut
from ai.gateway.admission import Gate
from ai.gateway.apis.figures import Meter
from ai.gateway.apis.to_ollama import Lines, Whole
from ai.gateway.http.upstream import Place, request_bytes
from ai.gateway.link.budgets import Budget, Ledger, Used
from ai.gateway.link.keys import KeyFile, hash_of
from ai.gateway.link.messages import Engine, Limits, Model, Start, Table, line, read_in
from ai.gateway.routing import Routes


def engine(name: str, *models: str, embeds: str = "") -> Engine:
    """An engine that chats with its first model."""
    found = tuple(Model(m, chats=m != embeds, embeds=m == embeds) for m in models)
    return Engine(name, "openai", name, f"http://{name}", model=models[0] if models[0] != embeds else "", models=found)


@pytest.fixture
def routes() -> Routes:
    """Three engines, the fast one first."""
    found = Routes()
    table = Table(
        (engine("fast", "a", "b"), engine("slow", "b", "c:latest"), engine("vectors", "e", embeds="e")),
        {"far": "it is far away"},
    )
    found.take(table)
    return found


@pytest.mark.parametrize(
    ("wanted", "plan"),
    [
        ("auto", [("fast", "a"), ("slow", "b")]), ("", [("fast", "a"), ("slow", "b")]), ("b", [("fast", "b"), ("slow", "b")]),
        ("c", [("slow", "c:latest")]), ("slow", [("slow", "b")]), ("slow/c", [("slow", "c:latest")]), ("slow:latest", [("slow", "b")]),
    ],
)  # fmt: skip
def test_a_model_leads_to_the_engines_that_have_it(routes: Routes, wanted: str, plan: list[tuple[str, str]]) -> None:
    """`auto` in the policy's order; a model's name wherever it is; an engine's name to that engine alone."""
    assert [(t.engine.name, t.model) for t in routes.plan(wanted, "chat")] == plan


def test_embeddings_go_to_models_that_make_them(routes: Routes) -> None:
    """Whatever chats comes first in the policy's order."""
    assert [(t.engine.name, t.model) for t in routes.plan("auto", "embed")] == [("vectors", "e")]


def test_what_nobody_has_is_told_with_what_there_is(routes: Routes) -> None:
    """An unknown model, and an engine that is not used, with its reason."""
    with pytest.raises(ModelMissing) as missing:
        routes.plan("absent", "chat")
    assert "a, b, c:latest, e" in missing.value.hint
    with pytest.raises(ModelMissing, match="far is not used: it is far away"):
        routes.plan("far", "chat")


def test_an_engine_that_failed_is_left_alone_and_tried_again() -> None:
    """For five seconds; then by one call, in its place where the answer streams, else behind the others. Where all are left alone, the first is asked."""
    now = [0.0]
    routes = Routes(lambda: now[0])
    one, two = engine("one", "m"), engine("two", "m")
    routes.take(Table((one, two)))
    plan = routes.plan("m", "chat")

    def order(*, streams: bool) -> list[str]:
        targets, again = routes.order(plan, streams=streams)
        assert again is None or again in targets
        return [target.engine.name for target in targets]

    assert order(streams=True) == ["one", "two"]
    routes.failed(one, BackendDown("gone"))
    assert order(streams=True) == ["two"]
    routes.take(Table((one, two, engine("three", "x"))))  # a new table forgets nothing
    assert (order(streams=True), routes.resting()) == (["two"], {"one": "gone"})
    now[0] = 5.0
    assert order(streams=False) == ["two", "one"]
    assert order(streams=False) == ["two"]  # one try for each pause
    routes.failed(one, BackendDown("gone"))
    now[0] = 15.0
    assert order(streams=True) == ["one", "two"]
    routes.breaker(one).succeeded()
    routes.failed(two, BackendDown("gone"))
    routes.failed(one, BackendDown("gone"))
    assert order(streams=True) == ["one"]


def test_a_try_that_did_not_come_about_is_made_later() -> None:
    """Another engine answered before, or the program hung up: the engine that failed does not stay left alone for ever."""
    now = [0.0]
    routes = Routes(lambda: now[0])
    one, two = engine("one", "m"), engine("two", "m")
    routes.take(Table((one, two)))
    plan = routes.plan("m", "chat")
    for at, (error, looked_at) in enumerate(
        [(BackendDown("gone"), True), (BackendTimeout("silent", phase="first token", waited_s=1), False)]
    ):
        routes.failed(one, error)
        for turn in range(3):
            now[0] += 1000.0
            targets, again = routes.order(plan, streams=False)
            assert (targets[-1].engine.name, again) == ("one", targets[-1]), (at, turn)
            assert routes.left_untried(targets[-1]) is looked_at
            assert routes.order(plan, streams=False)[1] is None  # not before the next pause is over
        routes.breaker(one).succeeded()


def test_keys_are_kept_as_hashes_in_a_private_file(tmp_path: Path) -> None:
    """A key is told once; a name once; what is removed is gone; a damaged file is told, not overwritten."""
    file = KeyFile(tmp_path / "keys.json")
    assert file.listed() == []
    one, two = file.add("one"), file.add("two")
    assert file.names() == {hash_of(one): "one", hash_of(two): "two"}
    assert (tmp_path / "keys.json").stat().st_mode & 0o777 == 0o600
    assert one not in (tmp_path / "keys.json").read_text("utf-8")
    file.remove("one")
    assert [name for name, _ in file.listed()] == ["two"]
    for name in ("two", "", "a/b", "x" * 41, " x"):
        with pytest.raises(InputError):
            file.add(name)
    with pytest.raises(InputError, match="There is no key"):
        file.remove("one")
    (tmp_path / "keys.json").write_text("[1]", "utf-8")
    with pytest.raises(InputError, match="cannot be read"):
        file.names()


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """The same bytes in pieces."""
    edges = sorted({place % (len(data) + 1) for place in places})
    return [data[a:b] for a, b in zip([0, *edges], [*edges, len(data)], strict=True)]


def events(texts: list[str], *, done: bool = True) -> bytes:
    """A stream of OpenAI's."""
    found = [b": keep-alive\n\n"]
    found += [
        b"data: "
        + json.dumps({"choices": [{"index": 0, "delta": {"content": t}}]}, ensure_ascii=False).encode()
        + b"\r\n\n"
        for t in texts
    ]
    usage = {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": len(texts)}}
    return b"".join(found) + b"data:" + json.dumps(usage).encode() + b"\n\n" + (b"data: [DONE]\n\n" if done else b"")


@given(st.lists(st.text(min_size=1), min_size=1, max_size=8), st.lists(st.integers(0, 10_000), max_size=8))
def test_a_stream_becomes_ollamas_wherever_it_is_cut(texts: list[str], places: list[int]) -> None:
    """Any text, any borders of the pieces, comments and both kinds of line ends: the words come out whole, each line is JSON, the last says done."""
    lines = Lines("m", talks=True)
    said = b"".join(lines.feed(part) for part in cut(events(texts), places)) + lines.finish()
    rows = [json.loads(line) for line in said.split(b"\n") if line]
    assert "".join(row["message"]["content"] for row in rows) == "".join(texts)
    assert [row["done"] for row in rows] == [False] * (len(rows) - 1) + [True]
    assert (rows[-1]["prompt_eval_count"], rows[-1]["eval_count"]) == (3, len(texts))


def test_a_stream_that_breaks_off_is_no_answer() -> None:
    """Without its end, and with what is no JSON."""
    lines = Lines("m", talks=True)
    lines.feed(events(["a"], done=False))
    with pytest.raises(StreamCut):
        lines.finish()
    with pytest.raises(BadOutput):
        Lines("m", talks=True).feed(b"data: {oops\n\n")


def chunk(delta: object, **more: object) -> bytes:
    """One event of a chat."""
    return b"data: " + json.dumps({"choices": [{"index": 0, "delta": delta, **more}]}).encode() + b"\n\n"


STOP = chunk({}, finish_reason="stop")
ODD_STREAMS = {
    "an event of several data lines": [b'data: {"choices": [\r\ndata: {"index": 0, "delta": {"content": "yes"}}]}\r\n\r\n', STOP],
    "halves of a character in two chunks": [rb'data: {"choices":[{"index":0,"delta":{"content":"ye\ud83d"}}]}' + b"\n\n",
        rb'data: {"choices":[{"index":0,"delta":{"content":"\ude00s"}}]}' + b"\n\n", STOP],
    "numbers that JSON has not": [b'data: {"choices":[{"index":0,"logprobs":[NaN,-Infinity],"delta":{"content":"yes"}}]}\n\n', STOP],
    "null where something might be": [chunk({"role": "assistant", "content": None, "tool_calls": None}, finish_reason=None), chunk({"content": "yes"}),
        b'data: {"choices": null, "usage": null}\n\n', chunk(None, finish_reason="stop")],
    "other kinds than the documentation's": [chunk({"content": [{"type": "text", "text": "yes"}], "tool_calls": {}}), chunk("", finish_reason="null"),
        b'data: {"choices": [], "usage": {"prompt_tokens": "3", "completion_tokens": -1}, "timings": {"prompt_ms": "fast"}}\n\n', STOP],
    "a second choice": [chunk({"content": "yes"}), b'data: {"choices": [{"index": 1, "delta": {"content": "no"}}]}\n\n', STOP],
    "signs of life": [b": hello\n\nevent: ping\ndata: ping\n\n", chunk({"content": "yes"}), b"data:\n\n", STOP],
    "a whole answer in place of a stream": [json.dumps({"choices": [{"message": {"content": "yes"}, "finish_reason": "stop"}]}, indent=1).encode()],
    "no empty line between events": [(chunk({"content": "ye"}) + chunk({"content": "s"}) + STOP).replace(b"\n\n", b"\n"), b"data: [done]\n"],
    "encoded twice": [b"data: " + json.dumps(json.dumps({"choices": [{"delta": {"content": "yes"}}]})).encode() + b"\n\n", b'data: "ping"\n\n', STOP],
    "within another object, in a list": [b'data: [{"code": 0, "data": {"choices": [{"delta": {"content": "yes"}}]}}]\n\n', STOP],
    "bytes that keep the connection alive": [b"\0\0" + chunk({"content": "yes"}) + b"\0" + STOP],
    "a refusal in its own field": [chunk({"refusal": "yes"}), STOP],
}  # fmt: skip


@pytest.mark.parametrize("name", ODD_STREAMS)
def test_what_servers_do_beside_the_documentation_becomes_ollamas_all_the_same(name: str) -> None:
    """The words come out, and the last line says done with numbers for its counts."""
    lines = Lines("m", talks=True)
    said = b"".join(map(lines.feed, ODD_STREAMS[name])) + lines.finish()
    rows = [json.loads(line) for line in said.split(b"\n") if line]
    assert "".join(row["message"]["content"] for row in rows).replace("\U0001f600", "") == "yes"
    assert rows[-1]["done_reason"] == "stop"
    assert isinstance(rows[-1]["eval_count"], int)


@pytest.mark.parametrize("name", ODD_STREAMS)
def test_a_stream_in_place_of_a_whole_answer_is_read_as_one(name: str) -> None:
    """However it is framed."""
    whole = Whole("m", talks=True)
    for part in ODD_STREAMS[name]:
        whole.feed(part)
    told = json.loads(whole.finish())
    assert told["message"]["content"].replace("\U0001f600", "") == "yes"
    assert told["done_reason"] == "stop"


@pytest.mark.parametrize(
    "end", [b"event: error\ndata: out of memory\n\n", b'data: {"error": {"message": "out of memory"}}\n\n', b""]
)
def test_a_stream_in_place_of_a_whole_answer_that_ends_with_an_error_is_none(end: bytes) -> None:
    """Its first words are no answer; what it says of the error is told."""
    whole = Whole("m", talks=True)
    whole.feed(chunk({"content": "The "}) + end)
    with pytest.raises(BadOutput, match="out of memory" if end else "nothing"):
        whole.finish()


@pytest.mark.parametrize("name", ["reasoning_content", "thoughts", "thinking_content", "inner_thinking"])
def test_thoughts_become_ollamas_under_whatever_name_they_come(name: str) -> None:
    """A signature beside them is none, nor is the reason of the end."""
    lines = Lines("m", talks=True)
    said = (
        lines.feed(chunk({name: "hm", "thought_signature": "x", "stop_reason": "y"}) + chunk({"content": "yes"}) + STOP)
        + lines.finish()
    )
    rows = [json.loads(line) for line in said.split(b"\n") if line]
    assert "".join(row["message"].get("thinking", "") for row in rows) == "hm"
    assert "".join(row["message"]["content"] for row in rows) == "yes"


def test_a_call_of_a_tool_comes_out_whole_however_it_is_cut() -> None:
    """Its name in one chunk, its arguments in others, another call between them; one server sends an object at once."""
    calls = [
        {"index": 0, "id": "a", "function": {"name": "look", "arguments": ""}}, {"index": 1, "function": {"name": "go", "arguments": {"x": 1}}},
        {"index": 0, "function": {"arguments": '{"at": "D\u00fc'}}, {"index": 0, "function": {"arguments": 'ren"}'}},
    ]  # fmt: skip
    lines = Lines("m", talks=True)
    said = b"".join(lines.feed(chunk({"content": None, "tool_calls": [call]})) for call in calls)
    last = json.loads((said + lines.feed(chunk({}, finish_reason="tool_calls")) + lines.finish()).splitlines()[-1])
    assert last["message"]["tool_calls"] == [
        {"function": {"name": "look", "arguments": {"at": "Düren"}}}, {"function": {"name": "go", "arguments": {"x": 1}}},
    ]  # fmt: skip


def test_a_thought_under_two_names_counts_once() -> None:
    """Some servers send it as `reasoning` and as `reasoning_content`."""
    meter = Meter(streams=True)
    for event in (
        chunk({"reasoning": "hm", "reasoning_content": "hm"}),
        chunk({"reasoning": "so"}),
        chunk({"content": "yes"}),
        STOP,
    ):
        meter.feed(event)
    assert meter.figures().completion_tokens == 3


@given(st.lists(st.integers(0, 100_000), max_size=6), st.text(max_size=50))
def test_tokens_are_read_wherever_an_answer_is_cut_and_whatever_it_says(places: list[int], text: str) -> None:
    """An answer that quotes the figures of another does not change its own."""
    quoted = text + '"completion_tokens": 999, \\"completion_tokens\\": 998'
    body = {"choices": [{"message": {"content": quoted}}], "usage": {"prompt_tokens": 5, "completion_tokens": 42}}
    meter = Meter(streams=False)
    for part in cut(json.dumps(body).encode(), places):
        meter.feed(part)
    figures = meter.figures()
    assert (figures.prompt_tokens, figures.completion_tokens, figures.origin) == (5, 42, "reported")


@pytest.mark.parametrize(
    ("address", "host", "port", "base"),
    [("http://127.0.0.1:8000/v1", "127.0.0.1", 8000, ""), ("https://x.example/api/v1/", "x.example", 443, "/api"), ("http://[::1]:9", "::1", 9, "")],
)  # fmt: skip
def test_an_address_leads_to_a_place(address: str, host: str, port: int, base: str) -> None:
    """With or without `/v1`; what comes before it stays."""
    place = Place.of(address)
    assert (place.host, place.port, place.base, place.tls) == (host, port, base, address.startswith("https"))
    asked = request_bytes("POST", "/chat/completions", Place.of(f"{address}?api-version=2024-06-01"), "sesame", b"{}")
    assert asked.startswith(f"POST {base}/chat/completions?api-version=2024-06-01 HTTP/1.1\r\n".encode())
    assert b"\r\napi-key: sesame\r\n" in asked
    assert b"Authorization: Bearer sesame\r\n" in request_bytes("GET", "/v1/models", place, "sesame", b"")


def test_turns_are_given_in_order_and_one_that_is_cancelled_costs_nobody_else_his() -> None:
    """Two at once; of three that wait the second gives up; the others go ahead in order."""

    async def go() -> list[str]:
        gate, went, release = Gate(lambda: Limits(concurrency=2, queue=3)), [], asyncio.Event()

        async def call(name: str) -> None:
            async with gate.turn():
                went.append(name)
                await release.wait()

        tasks = {name: asyncio.create_task(call(name)) for name in "abcde"}
        await asyncio.sleep(0)
        assert (went, gate.active, gate.waiting) == (["a", "b"], 2, 3)
        tasks["d"].cancel()
        release.set()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
        assert (gate.active, gate.waiting) == (0, 0)
        return went

    assert asyncio.run(go()) == ["a", "b", "c", "e"]


def _at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()  # by this machine's clock, as budgets are


def test_a_budget_is_used_up_and_begins_anew() -> None:
    """Calls count when they begin, tokens when they end; the day's counts begin anew at midnight, the month's on the first."""
    now = [_at("2026-11-29T23:59:00")]
    ledger = Ledger(lambda: now[0])
    ledger.budgets = {"a": Budget(calls_day=2, tokens_month=100), "b": Budget(tokens_day=10)}
    ledger.began("a")
    assert ledger.spent("a") is None
    ledger.began("a")
    spent = ledger.spent("a")
    assert spent is not None
    assert spent.retry_s == 60
    assert "2 calls of this day; it may go on 2026-11-30 at 00:00" in spent.message
    now[0] += 60
    assert ledger.spent("a") is None
    ledger.ended("a", 100)
    spent = ledger.spent("a")
    assert spent is not None
    assert spent.retry_s == 86_400
    assert "100 tokens of this month" in spent.message
    now[0] += 86_400
    assert ledger.spent("a") is None
    assert ledger.used()["a"] == Used("2026-12-01")
    assert ledger.spent("b") is ledger.spent("") is ledger.spent("c") is None


def test_what_was_used_outlives_the_process() -> None:
    """Counts go on where an earlier process stopped, also those of keys that had no budget then."""
    ledger = Ledger(lambda: _at("2026-11-29T12:00:00"))
    ledger.began("a")
    ledger.ended("a", 7)
    later = Ledger(lambda: _at("2026-11-29T13:00:00"))
    later.restore(read_in(line(Start(0, used=ledger.used()))).used)  # type: ignore[union-attr]
    later.budgets = {"a": Budget(tokens_day=7)}
    assert later.spent("a") is not None


def test_a_budget_is_kept_with_its_key(tmp_path: Path) -> None:
    """It is set, changed and taken away; wrong ones and unknown keys are refused with what to do."""
    keys = KeyFile(tmp_path / "keys.json")
    keys.add("a")
    keys.set_budget("a", Budget(calls_day=0, tokens_month=5))
    assert keys.budgets() == {"a": Budget(calls_day=0, tokens_month=5)}
    keys.set_budget("a", Budget())
    assert keys.budgets() == {}
    with pytest.raises(InputError, match="below zero"):
        keys.set_budget("a", Budget(calls_day=-1))
    with pytest.raises(InputError, match="no key named"):
        keys.set_budget("b", Budget())
