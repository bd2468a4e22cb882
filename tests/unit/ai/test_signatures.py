"""Model servers are known by their processes; their helpers and other programs are not; settings are read, secrets left out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai.discovery.signatures import is_script_of_many, model_of, server_of, settings_of


@pytest.mark.parametrize(
    ("name", "command", "server"),
    [
        ("llama-server", "/opt/llama/llama-server -m x.gguf --port 9000", "llama.cpp server"),
        ("python3", "python3 -m llama_cpp.server --model x.gguf", "llama.cpp server"),
        ("vllm", "/usr/bin/python3 /usr/local/bin/vllm serve meta-llama/Llama-3.1-8B", "vLLM"),
        ("python", "python -m vllm.entrypoints.openai.api_server --model m", "vLLM"), ("VLLM::APIServer", "VLLM::APIServer_0", "vLLM"),
        ("VLLM::EngineCor", "VLLM::EngineCore", None), ("vllm", "python /usr/local/bin/vllm bench throughput", None),
        ("python3", "python3 -m sglang.launch_server --model-path m", "SGLang"), ("sglang::schedul", "sglang::scheduler", None),
        ("koboldcpp-linux", "./koboldcpp-linux-x64 model.gguf 5001", "KoboldCpp"), ("python", "python koboldcpp.py --model m.gguf", "KoboldCpp"),
        ("llava.llamafile", "./llava-v1.5.llamafile --server", "llamafile"), ("local-ai", "local-ai run", "LocalAI"),
        ("lm-studio", "/opt/LM-Studio/lm-studio --type=utility", "LM Studio"), ("python", "python train.py --model m", None),
        ("python", "python -m http.server", None), ("vim", "vim llama-server.log", None), ("bash", "bash -c llama-server", None), ("", "", None),
    ],
)  # fmt: skip
def test_servers_are_told_from_other_programs(name: str, command: str, server: str | None) -> None:
    """By the program, the module, the word behind it, or the title that it gives itself."""
    assert server_of(name, command.split(" ") if command else []) == server


def test_a_script_that_many_have_is_known_by_its_folder() -> None:
    """TabbyAPI is started as `python main.py`."""
    words = ["python", "main.py"]
    assert is_script_of_many(words)
    assert server_of("python", words, "/srv/tabbyAPI") == "TabbyAPI"
    assert server_of("python", words, "/srv/shop") is None


def test_settings_of_arguments_and_environment() -> None:
    """Short options under their long names, switches as `on`, negative numbers; no address, and nothing that may be a secret."""
    words = "llama-server -c 8192 -np 4 -ngl -1 --flash-attn --cache-type-k=q8_0 --api-key hush --port 8080 --hf-token hush -m /models/x.gguf"
    environ = {
        "LLAMA_ARG_THREADS": "8",
        "OLLAMA_NUM_PARALLEL": "2",
        "VLLM_API_KEY": "hush",
        "HOME": "/root",
        "CUDA_VISIBLE_DEVICES": "0",
    }
    assert settings_of(words.split(" "), environ) == {
        "LLAMA_ARG_THREADS": "8", "OLLAMA_NUM_PARALLEL": "2", "CUDA_VISIBLE_DEVICES": "0", "--ctx-size": "8192", "--parallel": "4", "--gpu-layers": "-1",
        "--flash-attn": "on", "--cache-type-k": "q8_0", "--model": "/models/x.gguf",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("command", "model"),
    [
        ("llama-server -m /m/x.gguf", "/m/x.gguf"), ("vllm serve org/name --dtype half", "org/name"), ("vllm serve --dtype half", ""),
        ("koboldcpp x.gguf 5001", "x.gguf"), ("python -m sglang.launch_server --model-path=org/m", "org/m"), ("ollama serve", ""),
    ],
)  # fmt: skip
def test_the_model_that_a_server_was_started_with(command: str, model: str) -> None:
    """From an option, the word behind `serve`, or a file among the words."""
    assert model_of(command.split(" ")) == model


@given(st.text(max_size=20), st.lists(st.text(max_size=20), max_size=8))
def test_whatever_a_command_line_has_is_no_error(name: str, words: list[str]) -> None:
    """Command lines are strangers' texts."""
    server_of(name, words)
    settings_of(words, {"OLLAMA_HOST": "x"})
    model_of(words)
