"""What engines are called in the agent's texts."""

import pytest

from ai.shapes.benchmark import FigureChange
from monitor.api_models.ai import AiBackend
from pages.shared.engine_names import named, names_of


def backend(key: str, label: str) -> AiBackend:
    """An engine that is ready."""
    return AiBackend(
        name=key.partition("@")[0], label=label, kind="server", state="ready", backend=key, usable=True, model=None
    )


KNOWN = names_of(
    [
        backend("llamacpp", "llama.cpp (embedded)"),
        backend("ollama", "Ollama"),
        backend("openai@127.0.0.1:80", "llama.cpp server"),
        backend("openai@127.0.0.1:8093", "llama.cpp server"),
        backend("openai@[::1]:9", 'a "v" server'),
    ]
)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("llamacpp is 1.4 times as fast.", "llama.cpp (embedded) is 1.4 times as fast."),
        ("openai@127.0.0.1:8093, then llamacpp.", "llama.cpp server at 127.0.0.1:8093, then llama.cpp (embedded)."),
        ("llamacpp (2 threads): slow", "llama.cpp (embedded) (2 threads): slow"),
        ('openai@[::1]:9 says "no"', 'a "v" server says "no"'),
        ("openai@127.0.0.1:8094 is another", "openai@127.0.0.1:8094 is another"),
        ("run ollama serve", "run ollama serve"),  # only its case differs
        ("/opt/llamacpp/models", "/opt/llamacpp/models"),
        ("llamacpp.gguf and my-llamacpp", "llamacpp.gguf and my-llamacpp"),
    ],
)
def test_keys_of_engines_are_told_as_their_names(text: str, told: str) -> None:
    """Whole keys only, the longest first; paths, files and other engines stay."""
    change = FigureChange(
        backend="llamacpp", figure="m", estimate=1.2, low=None, high=None, changed=True, why=[], sentence=text
    )
    assert named(change, KNOWN).sentence == told
    assert named(change, KNOWN).backend == "llama.cpp (embedded)"
    assert named(change, {}) is change
