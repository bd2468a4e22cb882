"""How calls travel: byte by byte, to the next engine before the first byte and never after it, within limits, each with its record."""

import asyncio
import json
import os
import socket
import subprocess
import sys
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from ai.gateway.link.messages import Keys, Limits, Table
from tests.doubles.gateway_kit import KEY, RunningGateway, engine, running
from tests.doubles.stub_engine import WORDS, Stub, serve
from tests.waiting import patient, wait_until

ASK = {"model": "auto", "stream": True, "messages": [{"role": "user", "content": "x"}]}
HEADERS = {"Authorization": f"Bearer {KEY}"}


def client_of(gateway: RunningGateway) -> httpx.Client:
    """A client with the key."""
    return httpx.Client(base_url=gateway.url, headers=HEADERS, timeout=patient(30))


def ask(gateway: RunningGateway, body: object = ASK, path: str = "/v1/chat/completions") -> httpx.Response:
    """One answer."""
    with client_of(gateway) as client:
        return client.post(path, json=body)


def closed_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def test_a_stream_is_passed_on_as_it_was_sent() -> None:
    """The body is the engine's, byte for byte; a word is passed on while the engine still thinks about the next; the answer names its engine."""
    with serve() as stub, running(engine("one", stub.url)) as gateway, client_of(gateway) as client:
        stub.gate.clear()
        with client.stream("POST", "/v1/chat/completions", json=ASK) as answer:
            parts = answer.iter_raw()
            first = next(parts)
            assert b"word0 " in first
            assert stub.sent == b""  # the engine has not sent its second word
            stub.gate.set()
            whole = first + b"".join(parts)
            assert answer.headers["x-watchkeeper-engine"] == "one"
    assert whole == stub.sent


def test_fields_that_the_gateway_does_not_know_reach_the_engine_as_they_were_written() -> None:
    """Only the model is replaced; numbers keep their digits and unknown fields their content."""
    odd = b'{"model":"auto","messages":[],"seed":123456789012345678901234567890,"x":{"y":[1.10,"\\u00e9"]}}'
    with serve() as stub, running(engine("one", stub.url)) as gateway, client_of(gateway) as client:
        assert client.post("/v1/chat/completions", content=odd).status_code == 200
    _, asked, headers = stub.asked[0]
    assert asked == {**json.loads(odd), "model": "stub"}
    assert "authorization" not in headers  # the gateway's key is none of the engine's business


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/api/chat"])
@pytest.mark.parametrize(
    "body",
    [
        rb'{"model":"auto","stream":false,"messages":[{"role":"user","content":"a\ud83d"}]}', b'\xef\xbb\xbf{"model":null,"stream":false,"messages":[{"role":"user","content":"a"}]}',
        '{"model":"auto","stream":false,"messages":[{"role":"user","content":"a"}]}'.encode("utf-16"),
    ],
)  # fmt: skip
def test_a_request_in_another_writing_is_written_anew(path: str, body: bytes) -> None:
    """Half a character, a byte order mark, UTF-16: programs write them, and engines refuse them."""
    with serve() as stub, running(engine("one", stub.url)) as gateway, client_of(gateway) as client:
        assert client.post(path, content=body).status_code == 200
        _, asked, _ = stub.asked[0]
    assert asked["model"] == "stub"
    assert asked["messages"][0]["content"] in {"a", "a\ufffd"}


TROUBLES: list[dict[str, Any]] = [
    {"die_after": 0}, {"die_after": -1}, {"status": 500}, {"status": 503, "headers": "Retry-After: 1\r\n"}, {"status": 404}, {"status": 401},
    {"status": 302, "headers": "Location: /elsewhere\r\n"},
]  # fmt: skip


def test_the_next_engine_answers_where_the_first_gives_no_first_byte() -> None:
    """It hangs up, before or behind the head of its answer, or it refuses: the program sees one whole answer of the other engine."""
    with ExitStack() as stack:
        good, gateway = stack.enter_context(serve()), stack.enter_context(running())
        for place, trouble in enumerate(TROUBLES):
            bad = stack.enter_context(serve(Stub(**trouble)))
            gateway.tell(Table((engine(f"bad{place}", bad.url), engine("good", good.url))))
            wait_until(
                lambda n=place: f"bad{n}" in httpx.get(f"{gateway.url}/v1/models", headers=HEADERS).text,
                "the new table",
            )  # type: ignore[misc]
            answer = ask(gateway)
            row = gateway.rows(place + 1)[-1]
            assert (answer.status_code, answer.headers["x-watchkeeper-engine"]) == (200, "good"), trouble
            assert answer.content == good.sent
            assert len(bad.asked) == 1
            assert (row.backend, row.attempts, row.outcome, row.completion_tokens) == (
                "good",
                2,
                "answered",
                len(WORDS),
            )


def test_an_engine_that_is_not_there_or_silent_is_passed_over_and_then_left_alone() -> None:
    """Nobody listens at the first address, the second says nothing: the third answers; the next call goes to it at once."""
    with serve(Stub(silent=True)) as silent, serve() as good:
        engines = [
            engine("gone", f"http://127.0.0.1:{closed_port()}"),
            engine("silent", silent.url),
            engine("good", good.url),
        ]
        with running(*engines, limits=Limits(first_byte_s=0.2)) as gateway:
            assert ask(gateway).headers["x-watchkeeper-engine"] == "good"
            assert ask(gateway).headers["x-watchkeeper-engine"] == "good"
            rows = gateway.rows(2)
            state = wait_until(lambda: len(gateway.state().resting) == 2 and gateway.state(), "two engines that rest")
    assert [row.attempts for row in rows] == [3, 1]
    assert set(state.resting) == {"gone", "silent"}  # type: ignore[union-attr]
    assert len(silent.asked) == 1


def test_a_refusal_of_the_request_itself_is_not_asked_around() -> None:
    """400 is the request's fault: the engine's own words reach the program, and no other engine is asked."""
    with ExitStack() as stack:
        first = stack.enter_context(serve(Stub(status=400, body=b'{"error":{"message":"no such field"}}')))
        second = stack.enter_context(serve())
        gateway = stack.enter_context(running(engine("first", first.url), engine("second", second.url)))
        answer = ask(gateway)
    assert (answer.status_code, answer.json()["error"]["message"], second.asked) == (400, "no such field", [])


def words_of(url: str) -> tuple[list[str | None], type[Exception] | None]:
    """What the real client gets of a stream, and how that ends."""
    import openai

    got: list[str | None] = []
    with openai.OpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0, timeout=patient(30)) as client:
        stream = client.chat.completions.create(model="auto", messages=[{"role": "user", "content": "x"}], stream=True)
        try:
            got.extend(chunk.choices[0].delta.content for chunk in stream)
        except openai.APIConnectionError as error:
            return got, type(error)
    return got, None


def test_an_engine_that_dies_midway_gives_a_cut_stream_and_no_second_answer() -> None:
    """The program sees what it would see of the engine itself: some words, and a connection that breaks. The record says so."""
    import openai

    with ExitStack() as stack:
        dying, good = stack.enter_context(serve(Stub(die_after=5))), stack.enter_context(serve())
        gateway = stack.enter_context(running(engine("dying", dying.url), engine("good", good.url)))
        got, ending = words_of(gateway.url)
        (row,) = gateway.rows()
        directly = words_of(dying.url)
    assert (got, ending) == directly == (WORDS[:5], openai.APIConnectionError)
    assert good.asked == []
    assert (row.outcome, row.backend, row.completion_tokens, row.tokens_origin) == ("cut", "dying", 5, "estimated")
    assert "broke off" in row.message


def test_an_engine_process_that_is_killed_midway_gives_a_cut_stream() -> None:
    """SIGKILL of a real process, while its answer is on its way."""
    command = [sys.executable, "-m", "tests.doubles.stub_engine"]
    stub = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert stub.stdout is not None
    url = stub.stdout.readline().decode().strip()
    with running(engine("real", url)) as gateway, client_of(gateway) as client:
        with client.stream("POST", "/v1/chat/completions", json=ASK) as answer:
            parts = answer.iter_raw()
            assert b"word0 " in next(parts)
            stub.kill()
            with pytest.raises(httpx.RemoteProtocolError):
                list(parts)
        (row,) = gateway.rows()
    stub.communicate()
    assert row.outcome == "cut"


def test_a_program_that_hangs_up_frees_the_engine() -> None:
    """The engine's connection ends, too, and the call is recorded as cancelled."""
    with serve() as stub, running(engine("one", stub.url)) as gateway, client_of(gateway) as client:
        stub.gate.clear()
        with client.stream("POST", "/v1/chat/completions", json=ASK) as answer:
            next(answer.iter_raw())
        (row,) = gateway.rows()
        stub.gate.set()
        wait_until(lambda: stub.hung_up == 1, "the engine to be let go")
    assert row.outcome == "cancelled"


def test_where_no_engine_answers_the_last_one_is_named() -> None:
    """502 with what happened, in the form of the API."""
    gone = engine("gone", f"http://127.0.0.1:{closed_port()}")
    with running(gone) as gateway:
        answer = ask(gateway)
        other = ask(gateway, {"model": "auto", "prompt": "x"}, "/api/generate")
        gateway.tell(Table(excluded={"far": "it is on another machine, which ai.allow_remote does not allow"}))
        nobody = wait_until(lambda: (a := ask(gateway)).status_code == 404 and a, "the new table").json()
    assert (answer.status_code, other.status_code) == (502, 502)
    assert answer.json()["error"]["message"].startswith("gone cannot answer: nobody answers there")
    assert isinstance(other.json()["error"], str)
    assert "far: it is on another machine" in nobody["error"]["message"]


def test_calls_wait_for_their_turn_and_further_ones_are_refused() -> None:
    """One at a time, one may wait, the third hears 429 at once; the state tells who waits, and the second is answered after the first."""
    with serve() as stub, running(engine("one", stub.url), limits=Limits(concurrency=1, queue=1)) as gateway:
        stub.gate.clear()

        async def go() -> tuple[int, list[int]]:
            async with httpx.AsyncClient(base_url=gateway.url, headers=HEADERS, timeout=patient(30)) as client:
                calls = [asyncio.create_task(client.post("/v1/chat/completions", json=ASK)) for _ in range(2)]
                await asyncio.to_thread(wait_until, lambda: gateway.state().waiting == 1, "one that waits")
                phases = sorted(call.phase for call in gateway.state().calls)
                assert phases == ["answering", "waiting"]
                refused = await client.post("/v1/chat/completions", json=ASK)
                stub.gate.set()
                return refused.status_code, [answer.status_code for answer in await asyncio.gather(*calls)]

        refused, answered = asyncio.run(go())
        rows = gateway.rows(3)
        wait_until(lambda: gateway.state().refused == 1, "the refusal in the state")
    assert (refused, answered) == (429, [200, 200])
    assert sorted(row.outcome for row in rows) == ["answered", "answered", "refused"]
    assert max(row.queued_s for row in rows) > 0


def test_a_request_that_is_too_long_is_refused() -> None:
    """With 413, announced or in chunks; the engine hears nothing of it."""
    with serve() as stub, running(engine("one", stub.url), limits=Limits(body_bytes=2000)) as gateway:
        long = {**ASK, "messages": [{"role": "user", "content": "x" * 3000}]}
        assert ask(gateway, long).status_code == 413
        with client_of(gateway) as client:
            chunks = client.post("/v1/chat/completions", content=iter([b"x" * 1500, b"x" * 1500]))
        assert (chunks.status_code, chunks.json()["error"]["code"]) == (413, "request_too_large")
    assert stub.asked == []


def test_an_answer_that_takes_too_long_ends() -> None:
    """With 504 before its first byte, with a cut after it."""
    with serve() as stub, running(engine("one", stub.url), limits=Limits(deadline_s=0.3)) as gateway:
        stub.silent = True
        assert ask(gateway).status_code == 504
        stub.silent = False
        stub.gate.clear()
        for deadline_s in (0.5, 2.0, 8.0, 30.0):  # the first byte takes its time on a busy machine
            gateway.tell(Limits(deadline_s=deadline_s))
            with client_of(gateway) as client, client.stream("POST", "/v1/chat/completions", json=ASK) as answer:
                if answer.status_code == 200:
                    with pytest.raises(httpx.RemoteProtocolError):
                        answer.read()
                    break
        outcomes = {row.outcome for row in gateway.rows(2)}
    assert answer.status_code == 200
    assert outcomes == {"late"}


def test_only_this_machines_programs_with_a_key_are_answered() -> None:
    """No key, a wrong key, another host's name: refused. Where no key is required, a web page still is."""
    with serve() as stub, running(engine("one", stub.url)) as gateway:
        path = f"{gateway.url}/v1/models"
        assert httpx.get(path).status_code == 401
        assert httpx.get(path, headers={"Authorization": "Bearer wk-other"}).status_code == 401
        assert httpx.get(path, headers={**HEADERS, "Host": "evil.example"}).status_code == 403
        assert httpx.get(path, headers={**HEADERS, "Host": "localhost:1"}).status_code == 200
        gateway.tell(Keys({}, required=False))
        wait_until(lambda: httpx.get(path).status_code == 200, "calls without a key")
        for origin in ("https://evil.example", "null"):
            assert httpx.get(path, headers={"Origin": origin}).status_code == 401
        assert httpx.get(path, headers={"Origin": "http://localhost:3000"}).status_code == 200


ONCE = f"""
import sys, urllib.request
request = urllib.request.Request(sys.argv[1], data=sys.argv[2].encode(), headers={{"Authorization": "Bearer {KEY}"}})
print(len(urllib.request.urlopen(request).read()))
"""


def test_a_call_is_recorded_with_the_process_that_made_it() -> None:
    """Its pid and start are those of the program, not of this test; key, model, tokens, times and sizes are told; nothing of the prompt is."""
    with serve() as stub, running(engine("one", stub.url)) as gateway:
        body = json.dumps({**ASK, "messages": [{"role": "user", "content": "TOP SECRET"}]})
        stub.gate.clear()  # a model takes its time, too: the program is there until it answered
        program = subprocess.Popen(
            [sys.executable, "-c", ONCE, f"{gateway.url}/v1/chat/completions", body], stdout=subprocess.PIPE
        )
        current = wait_until(
            lambda: [call for call in gateway.state().calls if call.program.pid is not None], "the program's name"
        )
        stub.gate.set()
        program.communicate()
        (row,) = gateway.rows()
    assert (row.program.pid, row.program.uid, current[0].program.pid) == (program.pid, os.getuid(), program.pid)
    assert row.program.start_tick
    assert row.program.name.startswith("python")
    assert (row.key, row.wanted, row.model, row.stream, row.status) == ("tests", "auto", "stub", True, 200)
    assert row.ttft_s is not None
    assert 0 < row.ttft_s <= row.total_s
    assert (row.completion_tokens, row.tokens_origin) == (16, "estimated")
    assert row.bytes_out == len(stub.sent)
    assert "SECRET" not in repr(gateway.said)


LEAVES = f"""
import sys, http.client
connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]))
connection.request("POST", "/v1/chat/completions", sys.argv[2], {{"Authorization": "Bearer {KEY}"}})
sys.exit(connection.getresponse().status != 200)
"""


def test_programs_that_end_with_their_answer_are_known() -> None:
    """Each of a dozen that leave as soon as the head of the answer is there, four at once, while the engine answers at once."""
    with serve() as stub, running(engine("one", stub.url)) as gateway:
        words = [sys.executable, "-SEc", LEAVES, str(gateway.port), json.dumps(ASK)]
        pids = set()
        for _ in range(3):
            programs = [subprocess.Popen(words) for _ in range(4)]
            pids |= {program.pid for program in programs}
            assert [program.wait(patient(30)) for program in programs] == [0] * 4
        rows = gateway.rows(12)
    assert {row.program.pid for row in rows} == pids


def test_tokens_are_the_engines_own_where_it_tells_them() -> None:
    """Usage of a whole answer, of a stream that was asked for it, and the last line of Ollama's."""
    with ExitStack() as stack:
        one, two = stack.enter_context(serve()), stack.enter_context(serve())
        gateway = stack.enter_context(running(engine("one", one.url), engine("two", two.url, "ollama")))
        ask(gateway, {**ASK, "stream": False})
        ask(gateway, {**ASK, "stream_options": {"include_usage": True}})
        ask(gateway, {"model": "two", "messages": []}, "/api/chat")
        rows = gateway.rows(3)
    assert [(row.prompt_tokens, row.completion_tokens, row.tokens_origin) for row in rows] == [(7, 16, "reported")] * 3
    assert rows[2].tokens_per_s == pytest.approx(16 / 0.008)


def test_an_answer_that_an_engine_compresses_unasked_is_passed_on_as_it_is() -> None:
    """With its coding, where the program knows it; its tokens are unknown, not wrong."""
    packed = b"\x1b\x03)\x00\xa4 not read here"
    with serve() as stub, running(engine("one", stub.url)) as gateway, client_of(gateway) as client:
        stub.status, stub.body, stub.headers = 201, packed, "Content-Encoding: br\r\n"
        with client.stream("POST", "/v1/chat/completions", json=ASK, headers={"Accept-Encoding": "br"}) as answer:
            assert b"".join(answer.iter_raw()) == packed
            assert answer.headers["content-encoding"] == "br"
        (row,) = gateway.rows(1)
    assert (row.completion_tokens, row.tokens_origin, row.tokens_per_s) == (None, None, None)


def test_several_requests_on_one_connection_are_answered_in_order() -> None:
    """Sent at once, without waiting: three answers, one after another."""
    body = json.dumps({**ASK, "stream": False}).encode()
    request = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %b\r\nContent-Length: %d\r\n\r\n%b"
    one = request % (KEY.encode(), len(body), body)
    last = one.replace(b"Host:", b"Connection: close\r\nHost:", 1)
    with ExitStack() as stack:
        stub = stack.enter_context(serve())
        gateway = stack.enter_context(running(engine("one", stub.url)))
        sock = stack.enter_context(socket.create_connection(("127.0.0.1", gateway.port), patient(10)))
        sock.sendall(one + one + last)
        said = b""
        while part := sock.recv(65536):
            said += part
    assert said.count(b"HTTP/1.1 200 OK") == 3
    assert said.count(b"Connection: close") == 1
    assert len(stub.asked) == 3


def test_a_connection_to_an_engine_serves_one_call_after_another() -> None:
    """A stream and an answer that is none: neither needs a connection of its own."""
    with serve() as stub, running(engine("one", stub.url)) as gateway:
        for streams in (True, False, True, False):
            assert ask(gateway, {**ASK, "stream": streams}).status_code == 200
        assert (len(stub.asked), stub.connections, stub.left) == (4, 1, 0)
        wait_until(lambda: stub.left == 1, "a connection that nobody uses is ended: some servers keep a thread for it")


BAD = [
    (b"nonsense\r\n\r\n", b"400"),
    (b"GET / HTTP/1.1\r\nX: " + b"y" * 70_000 + b"\r\n\r\n", b"431"),
    (b"GET /nowhere HTTP/1.1\r\nAuthorization: Bearer wk-test\r\n\r\n", b"404"),
    (b"GET /v1/chat/completions HTTP/1.1\r\nAuthorization: Bearer wk-test\r\n\r\n", b"405"),
    (b"GET / HTTP/1.0\r\n\r\n", b"200"),
    (
        b"POST /v1/chat/completions HTTP/1.1\r\nAuthorization: Bearer wk-test\r\nContent-Encoding: zstd\r\nContent-Length: 4\r\n\r\n(\xb5/\xfd",
        b"415",
    ),
    (b"GET / HTTP/1.1\r\nX-Watchkeeper-Gateway: 1\r\n\r\n", b"508"),
]


def test_requests_that_cannot_be_answered_are_told_so() -> None:
    """And the gateway goes on."""
    with running() as gateway:
        for sent, status in BAD:
            with socket.create_connection(("127.0.0.1", gateway.port), patient(10)) as sock:
                sock.sendall(sent)
                assert sock.recv(65536).split(b" ")[1] == status
        assert httpx.get(gateway.url).status_code == 200
