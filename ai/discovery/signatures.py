"""How model servers are known by their processes, and which of their settings stand in their arguments and environment."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Final

_MOST_SETTINGS: Final = 40
_MOST_VALUE: Final = 120
_SECRET: Final = re.compile(r"key|token|secret|passw|credential|auth", re.IGNORECASE)
_PYTHON: Final = re.compile(r"(?:python|pypy)[\d.]*(?:\.exe)?")
_MODULES: Final = {
    "vllm.entrypoints.openai.api_server": "vLLM",
    "vllm.entrypoints.cli.main": "vLLM",
    "sglang.launch_server": "SGLang",
    "llama_cpp.server": "llama.cpp server",
    "mlx_lm.server": "MLX LM",
    "aphrodite.endpoints.openai.api_server": "Aphrodite",
    "fastchat.serve.openai_api_server": "FastChat",
    "text_generation_server": "Text Generation Inference",
}
"""`python -m …`."""
_PROGRAMS: Final = {
    "llama-server": "llama.cpp server",
    "llamafile": "llamafile",
    "local-ai": "LocalAI",
    "localai": "LocalAI",
    "lm-studio": "LM Studio",
    "lmstudio": "LM Studio",
    "llmster": "LM Studio",
    "lm studio": "LM Studio",
    "text-generation-launcher": "Text Generation Inference",
    "text-generation-router": "Text Generation Inference",
    "mlx_lm.server": "MLX LM",
    "mistralrs-server": "mistral.rs",
    "trtllm-serve": "TensorRT-LLM",
}
_WITH_SERVE: Final = {
    "vllm": "vLLM",
    "sglang": "SGLang",
    "lmdeploy": "LMDeploy",
    "mlc_llm": "MLC LLM",
    "aphrodite": "Aphrodite",
    "transformers": "Transformers",
    "litgpt": "LitGPT",
    "openllm": "OpenLLM",
    "mistralrs": "mistral.rs",
}
"""Programs that are servers with the word `serve` (or `run`, of those that say so) behind their name."""
_TABBY: Final = frozenset({"main.py", "start.py"})
_SHORT: Final = {
    "-m": "--model", "-c": "--ctx-size", "-n": "--predict", "-t": "--threads", "-tb": "--threads-batch", "-b": "--batch-size", "-ub": "--ubatch-size",
    "-np": "--parallel", "-ngl": "--gpu-layers", "-fa": "--flash-attn", "-ctk": "--cache-type-k", "-ctv": "--cache-type-v", "-hf": "--hf-repo",
}  # fmt: skip
"""llama.cpp's short options."""
_NO_SETTING: Final = frozenset({"--host", "--port", "-p"})
_MODEL: Final = ("--model", "--model-path", "--hf-repo", "--model_name", "--model-name")
_ENVIRONMENT: Final = re.compile(
    r"OLLAMA_[A-Z_]+|LLAMA_ARG_[A-Z_]+|VLLM_[A-Z_0-9]+|SGLANG_[A-Z_0-9]+|LOCALAI_[A-Z_]+|TABBY_[A-Z_]+|CUDA_VISIBLE_DEVICES|HIP_VISIBLE_DEVICES"
    r"|OMP_NUM_THREADS|GGML_[A-Z_0-9]+"
)


def server_of(name: str, words: Sequence[str], folder: str = "") -> str | None:
    """What kind of server with OpenAI's API a process is; None for anything else, the helpers of such servers included.

    Args:
        name: the kernel's name of the process.
        words: its command line.
        folder: where it runs; asked only of scripts that have no name of their own.
    """
    title = name.lower()
    if title.startswith(("vllm::", "sglang::")):  # they name their helpers so, and one of them the server
        return ("vLLM" if title[0] == "v" else "SGLang") if "apiserver" in title or "http" in title else None
    if not words:
        return None
    first = _base(words[0])
    if _PYTHON.fullmatch(first):
        return _script(words[1:], folder)
    return _program(first, words[1:]) or _program(title, words[1:])


def is_script_of_many(words: Sequence[str]) -> bool:
    """Whether only the folder that it runs in can tell what this is."""
    return bool(words) and bool(_PYTHON.fullmatch(_base(words[0]))) and any(_base(w) in _TABBY for w in words[1:4])


def settings_of(words: Sequence[str], environ: Mapping[str, str]) -> dict[str, str]:
    """The options of a command line, and the variables of the environment that such servers read. Nothing that may be a secret."""
    found = {name: value for name, value in environ.items() if _ENVIRONMENT.fullmatch(name)}
    found |= dict(_options(words))
    kept = {name: value for name, value in found.items() if not _SECRET.search(name) and name not in _NO_SETTING}
    return {name: _short(value) for name, value in list(kept.items())[:_MOST_SETTINGS]}


def model_of(words: Sequence[str]) -> str:
    """The model that a server was started with, as its command line has it; empty where that does not say."""
    options = dict(_options(words))
    named = next((options[name] for name in _MODEL if options.get(name)), "")
    if named:
        return named
    for place, word in enumerate(words[:-1]):
        if word == "serve" and not words[place + 1].startswith("-"):
            return words[place + 1]
    return next((word for word in words[1:] if word.endswith((".gguf", ".llamafile")) and not word.startswith("-")), "")


def prefix_of(words: Sequence[str]) -> str:
    """What a llama.cpp server was told to put before all of its routes; empty where nothing."""
    prefix = dict(_options(words)).get("--api-prefix", "").strip("/")
    return f"/{prefix}" if prefix else ""


_STARTED: Final = {
    "threads": ("--threads", "--n_threads", "LLAMA_ARG_THREADS"),
    "prompt_threads": ("--threads-batch", "--n_threads_batch", "--blasthreads", "LLAMA_ARG_THREADS_BATCH"),
    "parallel": ("--parallel", "--max-num-seqs", "--max-running-requests", "LLAMA_ARG_N_PARALLEL"),
    "kv_type": ("--cache-type-k", "--kv-cache-dtype", "LLAMA_ARG_CACHE_TYPE_K"),
    "flash_attention": ("--flash-attn", "--flash_attn", "--flashattention", "LLAMA_ARG_FLASH_ATTN"),
    "gpu_layers": ("--gpu-layers", "--n-gpu-layers", "--n_gpu_layers", "--gpulayers", "LLAMA_ARG_N_GPU_LAYERS"),
}
"""What servers call a setting, the one that counts most first."""
_SWITCHES: Final = {"on": True, "1": True, "true": True, "enabled": True, "off": False, "0": False, "false": False, "disabled": False}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Started:
    """What a server was started with; None where its command line and environment leave it to the server."""

    threads: int | None = None
    prompt_threads: int | None = None
    parallel: int | None = None
    kv_type: str | None = None
    flash_attention: bool | None = None
    gpu_layers: int | None = None


def started(settings: Mapping[str, str]) -> Started:
    """What the settings of a process (`settings_of`) say of how it computes."""
    told = {key: next((settings[name] for name in names if name in settings), "") for key, names in _STARTED.items()}
    kind = told["kv_type"].lower()
    return Started(
        threads=_count(told["threads"]), prompt_threads=_count(told["prompt_threads"]), parallel=_count(told["parallel"]),
        kv_type=kind if kind not in {"", "auto", "on"} else None, flash_attention=_SWITCHES.get(told["flash_attention"].lower()),
        gpu_layers=_count(told["gpu_layers"], least=0),
    )  # fmt: skip


def _count(value: str, least: int = 1) -> int | None:
    """A number; None for one that leaves the choice to the server."""
    return int(value) if value.isascii() and value.isdigit() and least <= int(value) < 2**31 else None


def _program(name: str, words: Sequence[str]) -> str | None:
    bare = name.removesuffix(".exe")
    if bare in _WITH_SERVE:
        return _WITH_SERVE[bare] if {"serve", "run"} & set(words[:2]) else None
    if bare.startswith("koboldcpp"):
        return "KoboldCpp"
    return "llamafile" if bare.endswith(".llamafile") else _PROGRAMS.get(bare)


def _script(words: Sequence[str], folder: str) -> str | None:
    """Of what Python runs: a module, or a script by its name or its folder."""
    for place, word in enumerate(words[:6]):
        if word == "-m":
            return _MODULES.get(words[place + 1]) if place + 1 < len(words) else None
        base = _base(word)
        if word.startswith("-"):
            continue
        if base in _TABBY:
            return "TabbyAPI" if "tabbyapi" in f"{word} {folder}".lower() else None
        return "KoboldCpp" if base == "koboldcpp.py" else _program(base, words[place + 1 :])
    return None


def _options(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Long options, and llama.cpp's short ones under their long name; one without a value is `on`."""
    if words and _PYTHON.fullmatch(_base(words[0])):
        words = words[_of_python(words) :]
    for place, word in enumerate(words):
        if not word.startswith("-") or word in {"-", "--"}:
            continue
        name, sign, value = word.partition("=")
        name = _SHORT.get(name, name)
        if not name.startswith("--") and name != "-p":
            continue
        if not sign:
            after = words[place + 1] if place + 1 < len(words) else "-"
            value = after if not after.startswith("-") or after[1:].replace(".", "").isdigit() else "on"
        yield name, value


def _of_python(words: Sequence[str]) -> int:
    """How many of the words are Python's: its own options, and what it runs."""
    place = 1
    while place < len(words) and words[place].startswith("-"):
        if words[place] in {"-m", "-c"}:
            return place + 2
        place += 2 if words[place] in {"-X", "-W"} else 1
    return place


def _base(word: str) -> str:
    return PurePath(word.replace("\\", "/")).name.lower()


def _short(value: str) -> str:
    clean = "".join(c if c.isprintable() else " " for c in value)
    return clean if len(clean) <= _MOST_VALUE else f"{clean[: _MOST_VALUE - 1]}…"
