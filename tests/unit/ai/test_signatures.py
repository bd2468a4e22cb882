"""Model servers are known by their processes; their helpers and other programs are not; settings are read, secrets left out."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai.discovery.holders import mapped_weights, named_to_serve
from ai.discovery.signatures import is_script_of_many, model_of, prefix_of, server_of, settings_of


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
        ("aphrodite", "python3 /opt/bin/aphrodite run org/m", "Aphrodite"), ("transformers", "/usr/bin/python3 /usr/bin/transformers serve", "Transformers"),
        ("text-generation", "text-generation-launcher --model-id org/m", "Text Generation Inference"), ("mistralrs", "mistralrs bench -m x", None),
        ("python", "python -m http.server", None), ("vim", "vim llama-server.log", None), ("bash", "bash -c llama-server", None), ("", "", None),
    ],
)  # fmt: skip
def test_servers_are_told_from_other_programs(name: str, command: str, server: str | None) -> None:
    """By the program, the module, the word behind it, or the title that it gives itself."""
    assert server_of(name, command.split(" ") if command else []) == server


@pytest.mark.parametrize(
    ("command", "ask"),
    [
        ("/opt/mine/inferd --weights=/m/x.GGUF -p 9", True), ("python app.py /m/model.safetensors", True), ("python serve_llm.py --model org/name", True),
        ("python -m mlc_llm serve HF://org/name", True), ("./my-api-server --model x", True), ("python train.py --model org/name", False),
        ("uvicorn shop:app --port 80", False), ("python -m http.server", False), ("", False), ("x.gguf", False),
    ],
)  # fmt: skip
def test_programs_of_no_list_are_asked_when_a_model_is_named(command: str, *, ask: bool) -> None:
    """A file of weights anywhere behind the program, or a model and a program whose name says that it serves."""
    assert named_to_serve(command.split(" ") if command else []) is ask


def test_weights_in_memory_are_read_as_the_kernel_lists_them(tmp_path: Path) -> None:
    """Names with blanks and of deleted files, the sum of several mappings, the largest first; other files are none."""
    (tmp_path / "7").mkdir()
    row = "{}-{} r--p 00000000 fe:00 1234   {}\n"
    rows = [("1000", "2000", "/m/small one.gguf"), ("2000", "4000", "/m/x.safetensors (deleted)"), ("8000", "9000", "/m/small one.gguf"),
            ("a000", "b000", "/m/small one.gguf"), ("b000", "ff000", "/lib/libc.so.6"), ("c000", "d000", "")]  # fmt: skip
    (tmp_path / "7" / "maps").write_text("".join(row.format(*r) for r in rows))
    assert mapped_weights(7, tmp_path) == ["/m/small one.gguf", "/m/x.safetensors"]
    assert mapped_weights(8, tmp_path) == []


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
    assert settings_of(["python3", "-W", "ignore", "-c", "import x; x.run()", "-c", "4096"], {}) == {
        "--ctx-size": "4096"
    }


@pytest.mark.parametrize(
    ("command", "model"),
    [
        ("llama-server -m /m/x.gguf", "/m/x.gguf"), ("vllm serve org/name --dtype half", "org/name"), ("vllm serve --dtype half", ""),
        ("koboldcpp x.gguf 5001", "x.gguf"), ("python -m sglang.launch_server --model-path=org/m", "org/m"), ("ollama serve", ""),
        ("python -u -X dev -m vllm.entrypoints.openai.api_server --model org/m", "org/m"), ("python -c code", ""), ("python3 -um x", ""),
    ],
)  # fmt: skip
def test_the_model_that_a_server_was_started_with(command: str, model: str) -> None:
    """From an option, the word behind `serve`, or a file among the words."""
    assert model_of(command.split(" ")) == model


@pytest.mark.parametrize(("more", "prefix"), [("", ""), ("--api-prefix /llm/", "/llm"), ("--api-prefix=llm", "/llm")])
def test_what_a_server_has_before_its_routes(more: str, prefix: str) -> None:
    """As llama.cpp's is told."""
    assert prefix_of(["llama-server", *more.split()]) == prefix


@given(st.text(max_size=20), st.lists(st.text(max_size=20), max_size=8))
def test_whatever_a_command_line_has_is_no_error(name: str, words: list[str]) -> None:
    """Command lines are strangers' texts."""
    server_of(name, words)
    settings_of(words, {"OLLAMA_HOST": "x"})
    model_of(words)
