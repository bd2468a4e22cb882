"""Digests by which two engines' models can be told to be the same, each written `scheme:digest`: those of two schemes say nothing of each other."""

import hashlib
import os
import re
import stat
from pathlib import Path
from typing import Final

_HEAD: Final = 1024 * 1024
_MAGIC: Final = b"GGUF"
_BLOB: Final = re.compile(r"^FROM[ \t]+\"?(/.+/sha256-[0-9a-f]{64})\"?[ \t]*$", re.MULTILINE)


def template_id(language: str, text: str) -> str:
    """A chat template; Ollama's are in Go's language, all others in Jinja, so that the same template has two texts."""
    return f"{language}:{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def gguf_id(path: str | Path) -> str:
    """A GGUF file: SHA-256 of its first MiB, which has the names and places of all tensors, and its size; gigabytes are not read.

    Raises:
        OSError: it cannot be read, or is no regular file.
        ValueError: it is no GGUF file.
    """
    with open(path, "rb", opener=_at_once) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            msg = f"{path} is no regular file"
            raise OSError(msg)
        head = file.read(_HEAD)
    if not head.startswith(_MAGIC):
        msg = f"{path} is no GGUF file"
        raise ValueError(msg)
    return f"gguf:{hashlib.sha256(head + str(status.st_size).encode()).hexdigest()}"


def _at_once(path: str, flags: int) -> int:
    """Open a file; a pipe that nobody writes to is not waited for."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def ollama_blob(modelfile: str) -> str | None:
    """The GGUF file of an Ollama model, as its modelfile names it; it may be on another machine, or not readable for this user."""
    found = _BLOB.search(modelfile)
    return found.group(1) if found else None


def ollama_id(modelfile: str, digest: str | None) -> str | None:
    """A model of Ollama: as its GGUF file, where that can be read here; else by Ollama's own digest of the model."""
    blob = ollama_blob(modelfile)
    if blob is not None:
        try:
            return gguf_id(blob)
        except (OSError, ValueError):
            pass  # in a container, on another machine, another user's: its own digest is what is left
    return f"ollama:{digest}" if digest else None
