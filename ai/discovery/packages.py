"""Engines that are Python packages, found without importing them.

`importlib.util.find_spec` looks for a top-level name and runs nothing; versions come from the installed
metadata; whether torch has CUDA stands as text in its `version.py`.
"""

import importlib.metadata
import importlib.util
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_CUDA_LINE: Final = re.compile(r"^cuda\b[^=]*=\s*['\"]([0-9.]+)['\"]", re.MULTILINE)
FLASH_ATTN: Final = (2, 5, 7)
"""The first flash-attn whose paged attention exllamav2 can use."""


def package_dir(name: str) -> Path | None:
    """The folder of a top-level package, or None. Nothing is imported."""
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    places = list(spec.submodule_search_locations or [])
    return Path(places[0]) if places else Path(spec.origin or "").parent


def installed(name: str) -> bool:
    """Whether the top-level package or module is there."""
    return package_dir(name) is not None


def version_of(distribution: str) -> str:
    """The installed version, or an empty string."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return ""


def version_tuple(text: str) -> tuple[int, ...]:
    """`2.5.7.post1` → (2, 5, 7): the leading numbers."""
    return tuple(int(part) for part in re.findall(r"\d+", text.partition("+")[0])[:3])


def torch_cuda() -> str:
    """The CUDA version torch was built for, or an empty string (a CPU build, or no torch)."""
    folder = package_dir("torch")
    if folder is None:
        return ""
    try:
        found = _CUDA_LINE.search((folder / "version.py").read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return ""
    return found.group(1) if found else ""


INSTALL: Final = {
    2: "pip install torch 'exllamav2>=0.3.2,<0.4' tokenizers safetensors numpy lm-format-enforcer",
    3: "pip install torch exllamav3",
}
"""What brings each ExLlama: packages by their own names, since this program may have come from anywhere."""


@dataclass(frozen=True)
class Pieces:
    """What an ExLlama needs, and whether it is here.

    `missing` are (what, remedy) pairs that stop it; `limits` are sentences about what works less well.
    """

    version: str
    missing: tuple[tuple[str, str], ...]
    limits: tuple[str, ...]


def exllama_pieces(generation: int, gpu_device: Path = Path("/dev/nvidiactl")) -> Pieces | None:
    """What is missing for exllamav2 (`generation` 2) or exllamav3 (3); None when the package itself is not here."""
    name = f"exllamav{generation}"
    if not installed(name):
        return None
    needed = {
        2: ("torch", "tokenizers", "safetensors", "numpy", "jinja2"),
        3: ("torch", "tokenizers", "safetensors", "triton", "marisa_trie", "llguidance", "jinja2"),
    }
    missing = [(p, f"pip install {p.replace('_', '-')}") for p in needed[generation] if not installed(p)]
    if installed("torch") and not torch_cuda():
        missing.append(("a torch with CUDA", "install torch from its CUDA index (pytorch.org, 'Get started')"))
    if not gpu_device.exists():
        missing.append(
            (
                "an NVIDIA GPU with its driver",
                "run this engine on a machine with one; llama.cpp and Ollama work on the CPU",
            )
        )
    if not installed(f"{name}_ext") and not _has_nvcc():
        missing.append(
            (
                "its compiled extension",
                f"install a {name} wheel that matches torch and CUDA from its releases page, or nvcc (CUDA toolkit)",
            )
        )
    return Pieces(version_of(name), tuple(missing), _limits(generation))


def _limits(generation: int) -> tuple[str, ...]:
    if generation != 2:
        return ()
    have = version_of("flash-attn")
    if have and version_tuple(have) >= FLASH_ATTN:
        return ()
    return ("Without flash-attn 2.5.7 or newer it answers one request at a time.",)


def _has_nvcc() -> bool:
    home = os.environ.get("CUDA_HOME") or os.environ.get("CUDA_PATH") or "/usr/local/cuda"
    return shutil.which("nvcc") is not None or (Path(home) / "bin" / "nvcc").is_file()
