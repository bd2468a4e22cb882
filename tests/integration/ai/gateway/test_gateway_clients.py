"""The real `openai` and `ollama` clients, unchanged, against the gateway: each API over engines of each kind."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

import httpx
import ollama
import pytest

from tests.doubles.gateway_kit import KEY, RunningGateway, engine, running
from tests.doubles.stub_engine import WORDS, Stub, serve
from tests.waiting import patient

if TYPE_CHECKING:
    from openai import OpenAI

TEXT = "".join(WORDS)
ASK = [{"role": "user", "content": "Say some words."}]


class Behind:
    """A gateway, and the engine behind it."""

    def __init__(self, gateway: RunningGateway, stub: Stub, kind: str) -> None:
        self.gateway, self.stub, self.kind = gateway, stub, kind

    def openai(self, key: str = KEY) -> "OpenAI":
        """A client as programs make it."""
        import openai

        return openai.OpenAI(base_url=f"{self.gateway.url}/v1", api_key=key, max_retries=0, timeout=patient(30))

    def ollama(self, key: str = KEY) -> ollama.Client:
        """A client as programs make it."""
        return ollama.Client(self.gateway.url, headers={"Authorization": f"Bearer {key}"}, timeout=patient(30))


@pytest.fixture(scope="module", params=["openai", "ollama"])
def behind(request: pytest.FixtureRequest) -> Iterator[Behind]:
    """Over an engine that has OpenAI's API only, and over an Ollama."""
    with serve() as stub, running(engine("one", stub.url, request.param, ("m:latest",), ("vectors",))) as gateway:
        yield Behind(gateway, stub, request.param)


def test_the_openai_client_chats_and_streams(behind: Behind) -> None:
    """A whole answer, the same one piece by piece, and a completion; the engine gets its own model's name, whatever the program asked for."""
    with behind.openai() as client:
        whole = client.chat.completions.create(model="auto", messages=ASK)
        stream = client.chat.completions.create(model="m", messages=ASK, stream=True)
        pieces = [chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices]
        text = client.completions.create(model="one", prompt="Say some words.")
        streamed = "".join(c.choices[0].text for c in client.completions.create(model="one/m", prompt="x", stream=True))
    assert whole.choices[0].message.content == "".join(pieces) == text.choices[0].text == streamed == TEXT
    assert [word for word in pieces if word] == WORDS
    assert {asked["model"] for _, asked, _ in behind.stub.asked[-4:]} == {"m:latest"}


def test_the_limit_of_an_answer_reaches_the_engine_under_a_name_that_it_reads(behind: Behind) -> None:
    """OpenAI's clients and LangChain's call it `max_completion_tokens` today; Ollama reads `max_tokens` alone, and would go on to the end of its context."""
    with behind.openai() as client:
        client.chat.completions.create(model="m", messages=ASK, max_completion_tokens=7)
        client.chat.completions.create(model="m", messages=ASK, max_completion_tokens=7, max_tokens=5)
        client.chat.completions.create(model="m:latest", messages=ASK, max_completion_tokens=7)
    new, both, same = (asked for _, asked, _ in behind.stub.asked[-3:])
    ollama_reads = behind.kind == "ollama"
    assert [one["max_completion_tokens"] for one in (new, both, same)] == [7, 7, 7]
    assert both["max_tokens"] == 5
    assert new.get("max_tokens") == same.get("max_tokens") == (7 if ollama_reads else None)


def test_the_openai_client_lists_models_and_makes_embeddings(behind: Behind) -> None:
    """`auto`, the engine and its models are there; embeddings come from the model that makes them."""
    with behind.openai() as client:
        assert {model.id for model in client.models.list()} == {"auto", "one", "m:latest", "vectors"}
        assert client.models.retrieve("m:latest").owned_by == "One"
        made = client.embeddings.create(model="auto", input=["a", "bcd"])
    assert [item.embedding for item in made.data] == [[1.0, 0.5], [3.0, 0.5]]
    assert behind.stub.asked[-1][1]["model"] == "vectors"


def test_the_openai_client_gets_the_errors_it_knows(behind: Behind) -> None:
    """A wrong key, an unknown model, a bad request, an engine out of order: each is the client's own exception."""
    import openai

    with behind.openai("wrong") as client, pytest.raises(openai.AuthenticationError, match="watchkeeper gateway key"):
        client.models.list()
    with behind.openai() as client:
        with pytest.raises(openai.NotFoundError, match=r"No engine has the model 'absent'\. There is auto, m:latest"):
            client.chat.completions.create(model="absent", messages=ASK)
        with pytest.raises(openai.NotFoundError, match="not offered"):
            client.images.generate(prompt="x")
        behind.stub.status, behind.stub.body = 400, b'{"error":{"message":"too hot","type":"invalid_request_error"}}'
        with pytest.raises(openai.BadRequestError, match="too hot"):
            client.chat.completions.create(model="auto", messages=ASK)
        behind.stub.status = 500
        with pytest.raises(openai.InternalServerError, match="too hot"):
            client.chat.completions.create(model="auto", messages=ASK)
        behind.stub.status = 200
    answer = httpx.post(
        f"{behind.gateway.url}/v1/chat/completions", content=b"[1]", headers={"Authorization": f"Bearer {KEY}"}
    )
    assert answer.status_code == 400
    assert "not the JSON object" in answer.json()["error"]["message"]


def test_the_ollama_client_chats_and_streams(behind: Behind) -> None:
    """Whole and in pieces, chat and generate, with counts and times at the end."""
    with behind.ollama() as client:
        whole = client.chat("auto", ASK)
        pieces = list(client.chat("m", ASK, stream=True, options={"temperature": 0, "num_predict": 9}))
        one = client.generate("one", prompt="x", system="Be brief.")
        many = "".join(piece.response for piece in client.generate("one", prompt="x", stream=True))
    assert whole.message.content == one.response == many == "".join(p.message.content or "" for p in pieces) == TEXT
    assert pieces[-1].done
    assert (whole.eval_count, pieces[-1].eval_count, pieces[-1].prompt_eval_count) == (16, 16, 7)
    assert pieces[-1].eval_duration


def test_the_ollama_client_finds_its_way(behind: Behind) -> None:
    """List, show, ps, and both routes of embeddings."""
    with behind.ollama() as client:
        assert [model.model for model in client.list().models] == ["auto", "m:latest", "vectors"]
        assert client.show("m").capabilities == ["completion"]
        assert client.ps().models == []
        assert client.embed("auto", input=["a", "bcd"]).embeddings == [[1.0, 0.5], [3.0, 0.5]]
        assert list(client.embeddings("vectors", prompt="ab").embedding) == [2.0, 0.5]
    assert httpx.get(behind.gateway.url).status_code == 200


def test_the_ollama_client_gets_the_errors_it_knows(behind: Behind) -> None:
    """A wrong key, an unknown model, an engine out of order."""
    with (
        behind.ollama("wrong") as client,
        pytest.raises(ollama.ResponseError, match="watchkeeper gateway key") as refused,
    ):
        client.list()
    assert refused.value.status_code == 401
    with behind.ollama() as client:
        with pytest.raises(ollama.ResponseError, match="No engine has the model 'absent'") as missing:
            client.chat("absent", ASK)
        assert missing.value.status_code == 404
        with pytest.raises(ollama.ResponseError, match="No engine has the model") as missing:
            client.show("absent")
        behind.stub.status, behind.stub.body = 500, b'{"error":"out of order"}'
        with pytest.raises(ollama.ResponseError, match="out of order"):
            client.chat("m", ASK)
        behind.stub.status = 200


def test_what_ollama_knows_is_asked_of_a_server_that_has_only_openais_api() -> None:
    """Images, tools and their results, the form of the answer and the options reach the engine as it knows them, and tool calls come back."""
    weather = {"name": "weather", "arguments": {"town": "Oslo"}}
    tools = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}]
    history = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "What is this?", "images": ["iVBORw0KGgo="]},
        {"role": "assistant", "content": "", "tool_calls": [{"function": weather}]},
        {"role": "tool", "content": "sunny", "tool_name": "weather"},
    ]
    schema = {"type": "object", "properties": {"ok": {"type": "boolean"}}}
    stub = Stub(words=["So."], tool=weather)
    with serve(stub), running(engine("one", stub.url)) as gateway:
        client = ollama.Client(gateway.url, headers={"Authorization": f"Bearer {KEY}"}, timeout=patient(30))
        with client:
            said = list(
                client.chat(
                    "auto",
                    history,
                    tools=tools,
                    format=schema,
                    options={"top_k": 3, "num_ctx": 9, "num_predict": 5},
                    stream=True,
                )
            )
    _, asked, _ = stub.asked[0]
    assert [call.function.arguments for piece in said for call in piece.message.tool_calls or []] == [{"town": "Oslo"}]
    assert (asked["top_k"], asked["max_tokens"], asked["tools"][0]["function"]["name"]) == (3, 5, "weather")
    assert "num_ctx" not in asked
    assert asked["response_format"]["json_schema"]["schema"] == schema
    assert asked["messages"][1]["content"][1]["image_url"]["url"] == "data:image/png;base64,iVBORw0KGgo="
    call = asked["messages"][2]["tool_calls"][0]
    assert json.loads(call["function"]["arguments"]) == {"town": "Oslo"}
    assert asked["messages"][3]["tool_call_id"] == call["id"]
