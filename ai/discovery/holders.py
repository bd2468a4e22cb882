"""Servers of models that no list names, known by what they hold or were told to hold: the weights of a model.

Programs that load weights and listen are many, and a list of them is never whole. What none of them can do without is a model file, mapped
into memory or named on the command line. Such a process is only *asked* (`GET /v1/models` on loopback); what does not answer as a model server
does is none.
"""

from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Final

from ai.discovery.signatures import model_of

WEIGHTS: Final = (".gguf", ".llamafile", ".safetensors", ".ggml", ".exl2", ".exl3", ".rkllm", ".litertlm")
"""How names of files of weights end."""
_SERVES: Final = ("serv", "api", "router", "gateway", "launch")
"""Parts of the names of programs, scripts and subcommands that answer requests."""
_MOST_BYTES: Final = 4 << 20
_FIRST: Final = 4


def named_to_serve(words: Sequence[str]) -> bool:
    """Whether a command line names a file of weights, or a model and a program that serves. Not sure: a reason to ask."""
    if any(word.lower().rpartition("=")[2].endswith(WEIGHTS) for word in words[1:]):
        return True
    called = [PurePath(word).name.lower() for word in [w for w in words if not w.startswith("-")][:_FIRST]]
    return bool(model_of(words)) and any(part in name for name in called for part in _SERVES)


def mapped_weights(pid: int, proc: Path = Path("/proc")) -> list[str]:
    """The files of weights that a process has mapped into its memory, the largest first; none where that cannot be seen. Linux."""
    sizes: dict[str, int] = {}
    try:
        with (proc / str(pid) / "maps").open("rb") as maps:
            lines = maps.read(_MOST_BYTES).splitlines()
    except OSError:
        return []  # it ended, is another user's, or this is no Linux
    for line in lines:
        path = line.rstrip().removesuffix(b" (deleted)")
        if not path.lower().endswith(_ENDINGS):
            continue
        fields = line.split(maxsplit=5)
        first, _, last = fields[0].partition(b"-")
        name = fields[-1].removesuffix(b" (deleted)").decode(errors="surrogateescape")
        sizes[name] = sizes.get(name, 0) + int(last, 16) - int(first, 16)
    return sorted(sizes, key=lambda name: -sizes[name])


_ENDINGS: Final = tuple(ending.encode() for ending in WEIGHTS)
