"""LangChain's clients, unchanged, against the gateway. They bring forty packages along, so that they are fetched for this test alone: `pytest -m slow`."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.doubles.gateway_kit import KEY, ROOT, engine, running
from tests.doubles.stub_engine import WORDS, serve
from tests.waiting import patient

SCRIPT = """
import json, sys
from langchain_ollama import ChatOllama, OllamaEmbeddings
from langchain_openai import ChatOpenAI, OpenAIEmbeddings

url, key = sys.argv[1:]
headers = {"headers": {"Authorization": f"Bearer {key}"}}
told = {}
for name, chat in {
    "openai": ChatOpenAI(base_url=f"{url}/v1", api_key=key, model="auto", max_retries=0),
    "ollama": ChatOllama(base_url=url, model="auto", client_kwargs=headers),
}.items():
    whole = chat.invoke("Say some words.")
    told[name] = [whole.content, [piece.content for piece in chat.stream("Say some words.") if piece.content], whole.usage_metadata["output_tokens"]]
told["vectors"] = [
    OpenAIEmbeddings(base_url=f"{url}/v1", api_key=key, model="vectors", check_embedding_ctx_length=False).embed_documents(["a", "bcd"]),
    OllamaEmbeddings(base_url=url, model="vectors", client_kwargs=headers).embed_documents(["a", "bcd"]),
]
print(json.dumps(told))
"""


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("uv") is None, reason="uv fetches the packages")
@pytest.mark.parametrize("kind", ["openai", "ollama"])
def test_langchains_clients_work_unchanged(kind: str, tmp_path: Path) -> None:
    """Chat, stream, tokens and embeddings of `langchain-openai` and `langchain-ollama`, over an engine of each kind."""
    script = tmp_path / "chain.py"
    script.write_text(SCRIPT, "utf-8")
    packages = ["--with", "langchain-openai>=1,<2", "--with", "langchain-ollama>=1,<2"]
    with serve() as stub, running(engine("one", stub.url, kind, ("m",), ("vectors",))) as gateway:
        command = [
            "uv",
            "run",
            "--no-project",
            "--python",
            sys.executable,
            *packages,
            "python",
            str(script),
            gateway.url,
            KEY,
        ]
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=patient(200), check=False)
        rows = gateway.rows(6)
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout)
    assert told["openai"] == ["".join(WORDS), WORDS, len(WORDS)]
    assert told["ollama"] == ["".join(WORDS), WORDS, len(WORDS)]
    assert told["vectors"] == [[[1.0, 0.5], [3.0, 0.5]]] * 2
    assert {row.outcome for row in rows} == {"answered"}
