"""A model that somebody loaded into an Ollama keeps its context, whatever programs ask of it through the gateway."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import httpx
import ollama
import pytest

from ai.gateway.apis import to_native
from ai.gateway.apis.from_native import translator_of
from tests.doubles.gateway_kit import KEY, RunningGateway, engine, running
from tests.doubles.stateful_ollama import Held, StatefulOllama, serve_on_thread
from tests.waiting import patient, wait_until

if TYPE_CHECKING:
    from openai import OpenAI

ASK: list[Any] = [{"role": "user", "content": "Say some words."}]
OWNERS = 6144


class Behind:
    """A gateway, and the Ollama behind it, in which somebody has loaded a model."""

    def __init__(self, gateway: RunningGateway, server: StatefulOllama) -> None:
        self.gateway, self.server = gateway, server

    def openai(self) -> "OpenAI":
        """A client as programs make it."""
        import openai

        return openai.OpenAI(base_url=f"{self.gateway.url}/v1", api_key=KEY, max_retries=0, timeout=patient(30))

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Ask the gateway."""
        headers = {"Authorization": f"Bearer {KEY}"}
        told = httpx.post(f"{self.gateway.url}{path}", json=body, headers=headers, timeout=patient(30))
        assert told.status_code == 200, told.text
        return dict(told.json())


@pytest.fixture
def behind() -> Iterator[Behind]:
    """The model is held with a context that is not the server's own, for half an hour."""
    with serve_on_thread(StatefulOllama()) as server:
        wait_until(lambda: server.url, "an address")
        server.held["m:latest"] = Held(OWNERS, 1800.0)
        with running(engine("one", server.url, "ollama", ("m:latest",))) as gateway:
            yield Behind(gateway, server)


def test_no_call_changes_the_context_that_somebody_chose(behind: Behind) -> None:
    """By either API, whole and as a stream, by name and by `auto`: nothing is loaded anew, and the answers are those of the API that was asked."""
    headers = {"Authorization": f"Bearer {KEY}"}
    with ollama.Client(behind.gateway.url, headers=headers, timeout=patient(30)) as native:
        told = native.chat("m", ASK, options={"num_predict": 3})
    assert told.message.content == " word word word"
    with behind.openai() as client:
        whole = client.chat.completions.create(model="auto", messages=ASK, max_tokens=3)
        asked: Any = {"model": "m", "messages": ASK, "max_completion_tokens": 3, "stream": True}
        pieces = list(client.chat.completions.create(**asked, stream_options={"include_usage": True}))
        text = client.completions.create(model="one", prompt="Say.", max_tokens=3)
        made = client.embeddings.create(model="m", input=["a"])
    assert (whole.choices[0].message.content, whole.choices[0].finish_reason) == (" word word word", "length")
    assert whole.usage is not None
    assert whole.usage.completion_tokens == 3
    assert "".join(p.choices[0].delta.content or "" for p in pieces if p.choices) == " word word word"
    assert pieces[-1].usage is not None
    assert pieces[-1].usage.completion_tokens == 3
    assert text.choices[0].text == " word word word"
    assert made.data[0].embedding == pytest.approx([0.1])
    assert behind.server.loads == 0
    assert behind.server.held == {"m:latest": Held(OWNERS, 1800.0)}


def test_a_context_that_a_program_names_is_its_own_choice(behind: Behind) -> None:
    """As it would be without a gateway."""
    behind.post("/api/chat", {"model": "m", "messages": ASK, "stream": False, "options": {"num_ctx": 2048, "num_predict": 1}})  # fmt: skip
    assert behind.server.held["m:latest"].context == 2048


def test_calls_go_through_as_they_are_while_the_model_has_the_servers_own_context(behind: Behind) -> None:
    """What that is shows where nothing was loaded; a program that loads it with another one later keeps that."""
    behind.server.held.clear()
    ask = {"model": "m", "messages": ASK, "max_tokens": 1}
    assert [behind.post("/v1/chat/completions", ask)["id"] for _ in range(3)] == ["1", "1", "1"]
    assert behind.server.held["m:latest"].context == behind.server.default_context
    behind.server.held["m:latest"] = Held(OWNERS, 1800.0)
    loads = behind.server.loads
    assert behind.post("/v1/chat/completions", ask)["choices"][0]["message"]["content"] == " word"
    assert (behind.server.loads, behind.server.held["m:latest"].context) == (loads, OWNERS)


def test_what_ollamas_own_api_cannot_say_is_asked_as_it_is() -> None:
    """A sound without data, an image from elsewhere, arguments that are no JSON: Ollama answers, or says what is wrong."""
    sound = {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}]}
    image = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://a.test/b.png"}}]}
    call = {"role": "assistant", "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": "{"}}]}
    for asked in (
        {"messages": [sound]}, {"messages": [image]}, {"messages": [call]}, {"messages": []}, {},
        {"messages": ASK, "reasoning_effort": "a lot"}, {"messages": [{"role": "user"}]}, {"messages": ["hello"]},
    ):  # fmt: skip
        assert to_native.chat(asked, "m", 4096) is None, asked
    assert to_native.text({"prompt": ["a", "b"]}, "m", 4096) is None
    assert to_native.embed({"input": [[1, 2]]}, "m", 4096) is None


def test_a_conversation_with_tools_and_images_is_turned_as_ollama_turns_it() -> None:
    """Parts are messages of their own, a tool's result knows its function, a schema is the form of the answer."""
    schema = {"type": "object"}
    turned = to_native.chat(
        {
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "What?"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBOR"}}, {"type": "input_audio", "input_audio": {"data": "UklGR", "format": "wav"}}]},
                {"role": "assistant", "content": None, "tool_calls": [{"id": "a", "function": {"name": "look", "arguments": '{"at": 1}'}}]},
                {"role": "tool", "tool_call_id": "a", "content": "a cat"},
            ],
            "tools": [{"type": "function"}], "response_format": {"type": "json_schema", "json_schema": {"schema": schema}}, "stop": "END",
            "reasoning_effort": "none", "temperature": 0, "stream": True,
        },
        "m", 4096,
    )  # fmt: skip
    assert turned is not None
    assert turned.body == {
        "model": "m",
        "messages": [
            {"role": "user", "content": "What?"},
            {"role": "user", "content": "", "images": ["iVBOR"]},
            {"role": "user", "content": "", "images": ["UklGR"]},
            {"role": "assistant", "content": "", "tool_calls": [{"id": "a", "function": {"name": "look", "arguments": {"at": 1}}}]},
            {"role": "tool", "content": "a cat", "tool_call_id": "a", "tool_name": "look"},
        ],
        "options": {"num_ctx": 4096, "temperature": 0, "top_p": 1.0, "stop": ["END"]},
        "stream": True, "think": False, "format": schema, "tools": [{"type": "function"}],
    }  # fmt: skip


@pytest.mark.parametrize("stream", [True, False])
def test_how_likely_each_token_was_is_told_as_openai_tells_it(*, stream: bool) -> None:
    """Asked of Ollama's own API with the context; its answer's list is `content` of the choice's `logprobs`, in the piece that has the words."""
    asked = to_native.chat({"messages": ASK, "stream": stream, "logprobs": True, "top_logprobs": 1}, "m", 4096)
    assert asked is not None
    assert (asked.body["logprobs"], asked.body["top_logprobs"]) == (True, 1)
    told = [
        {"token": "I", "logprob": -2.1, "bytes": [73], "top_logprobs": [{"token": "I", "logprob": -2.1, "bytes": [73]}]}
    ]
    lines = [
        {"message": {"role": "assistant", "content": "I"}, "done": False, "logprobs": told},
        {"message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "stop"},
    ]
    if not stream:
        lines = [lines[0] | {"done": True, "done_reason": "stop"}]
    turner = translator_of(asked, "m")
    said = turner.feed(b"".join(json.dumps(line).encode() + b"\n" for line in lines)) + turner.finish()
    texts = [t.removeprefix(b"data: ") for t in said.split(b"\n\n") if t and b"[DONE]" not in t]
    choices = [json.loads(text)["choices"][0] for text in texts]
    assert choices[0]["logprobs"] == {"content": told}
    assert all("logprobs" not in choice for choice in choices[1:])


def test_thoughts_and_calls_of_a_stream_are_pieces_of_their_own() -> None:
    """Cut anywhere; the end of an answer that called something says so."""
    asked = to_native.chat({"messages": ASK, "stream": True}, "m", 4096)
    assert asked is not None
    call = {"id": "c", "function": {"index": 0, "name": "look", "arguments": {"at": 1}}}
    lines = [
        {"message": {"role": "assistant", "content": "", "thinking": "hm"}, "done": False},
        {"message": {"role": "assistant", "content": "ü", "thinking": "so", "tool_calls": [call]}, "done": False},
        {"message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "stop"},
    ]
    data = b"".join(json.dumps(line, ensure_ascii=False).encode() + b"\n" for line in lines)
    for size in (1, 7, len(data)):
        turning = translator_of(asked, "m")
        said = b"".join(turning.feed(data[at : at + size]) for at in range(0, len(data), size)) + turning.finish()
        events = [event.removeprefix("data: ") for event in said.decode().split("\n\n") if event]
        assert events[-1] == "[DONE]"
        choices = [json.loads(event)["choices"][0] for event in events[:-1]]
        assert [c["delta"].get("reasoning") for c in choices] == ["hm", "so", None, None]
        assert choices[2]["delta"]["tool_calls"][0]["function"] == {"name": "look", "arguments": '{"at":1}'}
        assert [c["finish_reason"] for c in choices] == [None, None, None, "tool_calls"]
