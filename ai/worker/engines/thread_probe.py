"""How fast a model generates and reads with how many threads, through llama.cpp's C interface: one load, about a second of measuring.

Run as `python -m ai.worker.engines.thread_probe MODEL COUNT…` in a process of its own: the library keeps its memory, and a version that does not
fit ends this process only. Prints a JSON object: `{"generate": {count: tokens/s}, "read": {count: tokens/s}, "neighbours": cores that others used}`.

Server objects of xllamacpp fix their threads when they load; the library's own interface can change them between two tokens, so that counts
are measured in turn and what else the machine does touches all of them alike.
"""

import ctypes
import json
import os
import sys
import time
from typing import Final

from ai.worker.engines.llama_library import library
from ai.worker.engines.turns import in_turn
from ai.worker.guard import die_with, own_output
from ai.worker.spare import Cores, Moment, others

_GENERATE_S: Final = 0.8
_READ_S: Final = 0.4
_MOST_S: Final = 4.0
"""For each of the two, where a single token takes long."""
_AT_ONCE: Final = 3
_PROMPT: Final = 32
_TOKEN: Final = 5
_HOPELESS: Final = 3.0


class _Model:
    """A loaded model that decodes."""

    def __init__(self, path: str) -> None:
        self._lib = lib = library()
        quiet = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)
        self._quiet = quiet(lambda *_: None)
        lib.llama_log_set(ctypes.cast(self._quiet, ctypes.c_void_p), None)
        lib.llama_backend_init()
        model = lib.llama_model_load_from_file(path.encode(), lib.llama_model_default_params())
        self._context = lib.llama_init_from_model(model, lib.llama_context_default_params()) if model else None
        if not self._context:
            raise OSError("llama.cpp cannot load this model")
        self._memory = lib.llama_get_memory(self._context)

    def seconds(self, threads: int, tokens: int, times: int) -> float:
        """A token, where `tokens` are decoded at once, so many times."""
        lib = self._lib
        lib.llama_memory_clear(self._memory, True)
        lib.llama_set_n_threads(self._context, threads, threads)
        values = (ctypes.c_int32 * tokens)(*([_TOKEN] * tokens))
        begun = time.perf_counter()
        for _ in range(times):
            if lib.llama_decode(self._context, lib.llama_batch_get_one(values, tokens)) != 0:
                raise OSError("llama.cpp cannot decode")
            lib.llama_synchronize(self._context)
        return (time.perf_counter() - begun) / (tokens * times)


def _rates(model: _Model, counts: list[int], tokens: int, times: int, budget_s: float) -> dict[int, float]:
    """Tokens a second for each count."""

    def measure(count: int) -> float:
        return model.seconds(count, tokens, times)

    took = in_turn(counts, measure, budget_s, longest_s=_MOST_S, surely=len(counts), hopeless=_HOPELESS)
    return {count: 1 / seconds for count, seconds in took.items()}


def moment() -> tuple[Cores, Moment] | None:
    """The cores and what was used of them until now; None where that cannot be read."""
    try:
        cores = Cores()
        return cores, cores.moment()
    except (OSError, ValueError):
        return None


def neighbours(since: tuple[Cores, Moment] | None) -> float | None:
    """Cores that other programs used since then."""
    return None if since is None else others(since[1], since[0].moment())


def main() -> int:
    """Measure, print, end."""
    out = own_output()
    parent, path, *counts = sys.argv[1:]
    die_with(int(parent))
    wanted = [int(count) for count in counts]
    try:
        model = _Model(path)
        model.seconds(wanted[-1], 1, 1)  # weights that were not in memory yet are, now
        before, begun = moment(), time.perf_counter()
        generate = _rates(model, wanted, 1, _AT_ONCE, _GENERATE_S)
        read = _rates(model, wanted, _PROMPT, 1, _READ_S)
        beside, took = neighbours(before), time.perf_counter() - begun
    except (OSError, AttributeError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 3
    found = {"generate": generate, "read": read, "neighbours": beside, "seconds": took}
    out.write(json.dumps(found).encode() + b"\n")
    out.flush()
    os._exit(0)  # the library's threads and memory go with the process


if __name__ == "__main__":
    sys.exit(main())
