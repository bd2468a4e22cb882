"""Which settings are fastest for a model here: threads, flash attention, the cache's type, and how much of a prompt is read at once.

Run as `python -m ai.worker.engines.tune_probe PARENT MODEL PLAN` in a process of its own; PLAN is JSON: `{"before": settings, "counts":
[threads], "effort": 1.0}` (a part of the usual time). Prints one JSON object: what was tried, the settings that won, and both of them measured in turn once more. Settings are an object
with `threads`, `prompt_threads`, `batch`, `flash_attention` and `kv_type`; what is null is the library's own choice.

All are contexts of one loaded model, so that a model is loaded once. Only two fields of the library's structure for contexts are at a known
place; the others are found by their defaults, and what cannot be found is not tried.
"""

import ctypes
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from ai.worker.engines.llama_library import Params, library
from ai.worker.engines.thread_probe import moment, neighbours
from ai.worker.engines.turns import in_turn
from ai.worker.guard import die_with, own_output

_CONTEXT: Final = 1024
_DEPTH: Final = 128
"""Tokens that are in the cache while its type and flash attention are measured, which matter only then: the mean of a prompt of twice as many."""
_FILL_S: Final = 1.2
"""To fill the cache may take so long; a slow machine fills less."""
_LONGEST: Final = 512
_AT_ONCE: Final = 4
_WHOLE: Final = 256
_ANSWER: Final = 64
"""What settings are judged by: a prompt of so many tokens, with an answer of so many."""
_TOKEN: Final = 5
_READ_S: Final = 0.3
"""One reading may take so long; a slow machine reads less at once."""
_BETTER: Final = 0.97
"""Time that other settings must save to take the place of the library's own."""
_HOPELESS: Final = 1.3
_THREADS_S: Final = 4.0
_VARIANTS_S: Final = 4.0
_BATCHES_S: Final = 3.0
_AGAIN_S: Final = 3.0
_ALL_S: Final = 13.0
"""After this nothing new is tried, however busy the machine is."""
_KINDS: Final = {"f16": 1, "q8_0": 8}
_BATCH_SIZES: Final = (64, 128, 256, 512)
_UBATCH_AT: Final = 2
_DEFAULTS: Final = (512, 2048, 512)


@dataclass(frozen=True)
class Tried:
    """Settings of a context."""

    threads: int
    prompt_threads: int
    batch: int | None = None
    flash_attention: bool | None = None
    kv_type: str = "f16"


class Layout:
    """Where the fields of `llama_context_params` are in this version, as 32-bit words; None for what was not found."""

    def __init__(self, params: Params) -> None:
        words = (ctypes.c_int32 * 64).from_buffer_copy(bytes(params)[:256])
        self.batch = words[0:3] == list(_DEFAULTS)
        unspecified = [-1, -1, -1, -1]  # rope scaling, pooling, attention, flash attention
        starts = [at for at in range(4, 20) if words[at : at + 4] == unspecified]
        self.flash = starts[0] + 3 if len(starts) == 1 else None
        after = (self.flash or 0) + 1
        pairs = [at for at in range(after + 4, 40) if words[at : at + 2] == [1, 1]]
        self.types = pairs[0] if self.flash is not None and pairs else None


class Model:
    """A loaded model, and contexts of it with other settings.

    Raises:
        OSError, AttributeError: the library cannot load it, or has another interface.
    """

    def __init__(self, path: str) -> None:
        self._lib = lib = library()
        quiet = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)
        self._quiet = quiet(lambda *_: None)
        lib.llama_log_set(ctypes.cast(self._quiet, ctypes.c_void_p), None)
        pointer = ctypes.c_void_p
        for name, result, *arguments in (
            ("llama_free", None, pointer), ("llama_memory_seq_rm", ctypes.c_bool, pointer, ctypes.c_int32, ctypes.c_int32, ctypes.c_int32),
            ("llama_n_ubatch", ctypes.c_uint32, pointer), ("llama_state_seq_get_size", ctypes.c_size_t, pointer, ctypes.c_int32),
        ):  # fmt: skip
            function = getattr(lib, name)
            function.restype, function.argtypes = result, arguments
        lib.llama_backend_init()
        self._model = lib.llama_model_load_from_file(path.encode(), lib.llama_model_default_params())
        if not self._model:
            raise OSError("llama.cpp cannot load this model")
        self.layout = Layout(lib.llama_context_default_params())
        self._contexts: dict[tuple[object, ...], tuple[Any, Any]] = {}
        self._filled: dict[tuple[object, ...], int] = {}

    def read_s(self, tried: Tried, tokens: int) -> float:
        """Seconds to read a prompt of so many tokens into an empty cache."""
        context, memory = self._context(tried)
        self._filled.pop(_shape(tried), None)
        self._lib.llama_memory_clear(memory, True)
        begun = time.perf_counter()
        self._decode(context, tried, tokens)
        return time.perf_counter() - begun

    def read_on_s(self, tried: Tried, depth: int, tokens: int) -> float:
        """Seconds to read so many tokens more of a prompt of which `depth` are in the cache."""
        context, memory = self._context(tried)
        shape = _shape(tried)
        if self._filled.get(shape) != depth or not self._lib.llama_memory_seq_rm(memory, 0, depth, -1):
            self.read_s(tried, depth)  # a recurrent model forgets all or nothing
            self._filled[shape] = depth
        begun = time.perf_counter()
        self._decode(context, tried, tokens)
        return time.perf_counter() - begun

    def token_s(self, tried: Tried) -> float:
        """Seconds of a token, generated after what was read last."""
        context, _ = self._context(tried)
        begun = time.perf_counter()
        for _ in range(_AT_ONCE):
            self._decode(context, tried, 1)
        return (time.perf_counter() - begun) / _AT_ONCE

    def held(self, tried: Tried) -> int:
        """Bytes of what was read last."""
        return int(self._lib.llama_state_seq_get_size(self._context(tried)[0], 0))

    def works(self, tried: Tried) -> bool:
        """Whether there can be such a context, with the settings that were asked for."""
        try:
            context, _ = self._context(tried)
        except OSError:
            return False
        return tried.batch is None or self._lib.llama_n_ubatch(context) == tried.batch

    def close(self, keep: Sequence[Tried]) -> None:
        """Free the contexts that are not needed any more."""
        kept = {_shape(one) for one in keep}
        for shape in [shape for shape in self._contexts if shape not in kept]:
            self._lib.llama_free(self._contexts.pop(shape)[0])
            self._filled.pop(shape, None)

    def _decode(self, context: Any, tried: Tried, tokens: int) -> None:
        self._lib.llama_set_n_threads(context, tried.threads, tried.prompt_threads)
        values = (ctypes.c_int32 * tokens)(*([_TOKEN] * tokens))
        if self._lib.llama_decode(context, self._lib.llama_batch_get_one(values, tokens)) != 0:
            raise OSError("llama.cpp cannot decode")
        self._lib.llama_synchronize(context)

    def _context(self, tried: Tried) -> tuple[Any, Any]:
        shape = _shape(tried)
        if shape not in self._contexts:
            params = self._lib.llama_context_default_params()
            words = (ctypes.c_int32 * 64).from_buffer(params)
            words[0] = _CONTEXT
            if tried.batch is not None:
                words[_UBATCH_AT] = tried.batch
            if tried.flash_attention is not None and self.layout.flash is not None:
                words[self.layout.flash] = int(tried.flash_attention)
            if tried.kv_type != "f16" and self.layout.types is not None:
                words[self.layout.types] = words[self.layout.types + 1] = _KINDS[tried.kv_type]
            context = self._lib.llama_init_from_model(self._model, params)
            if not context:
                raise OSError("llama.cpp refuses these settings")
            self._contexts[shape] = (context, self._lib.llama_get_memory(context))
        return self._contexts[shape]


def _shape(tried: Tried) -> tuple[object, ...]:
    """What a context is made with; threads can be changed later."""
    return tried.batch, tried.flash_attention, tried.kv_type


class Search:
    """Finds the fastest settings, one kind after the other.

    Args:
        model: the loaded model.
        before: the settings in use.
        counts: numbers of threads to try.
        effort: the part of the usual time to take.
    """

    def __init__(self, model: Model, before: Tried, counts: Sequence[int], effort: float = 1.0) -> None:
        self._model, self.before, self._counts, self._effort = model, before, counts, effort
        self._begun = time.perf_counter()
        self.rows: list[dict[str, Any]] = []
        first = model.read_s(before, 32)  # weights that were not in memory yet are, now
        rate = 32 / max(min(first, model.read_s(before, 32)), 1e-6)
        self._prompt = max(32, min(_LONGEST, int(rate * _READ_S) // 32 * 32))
        self._depth = max(32, min(_DEPTH, int(rate * _FILL_S) // 32 * 32))
        self._more = min(self._prompt, _DEPTH)

    def best(self) -> Tried:
        """The settings that won; what could not be tried in time stays the library's own choice."""
        found = self._threads()
        for step in (self._variant, self._batch):
            if time.perf_counter() - self._begun < _ALL_S * self._effort:
                found = step(found)
        return found

    def again(self, best: Tried) -> dict[str, Any]:
        """The settings in use and the best ones, measured in turn once more: tokens a second."""
        both = list(dict.fromkeys([self.before, best]))
        budget_s = _AGAIN_S / 2 * self._effort
        read = self._read_on(both, budget_s)
        token = in_turn(both, self._model.token_s, budget_s, surely=2)
        return {
            word: {"generate": 1 / token[one], "read": self._more / read[one]}
            for word, one in (("before", self.before), ("after", best))
        }

    def _threads(self) -> Tried:
        start = replace(self.before, batch=None, flash_attention=None, kv_type="f16")
        tries = [replace(start, threads=count, prompt_threads=count) for count in self._counts]
        read = in_turn(
            tries,
            lambda one: self._model.read_s(one, min(self._prompt, 128)),
            _THREADS_S * 0.6 * self._effort,
            hopeless=_HOPELESS,
        )
        token = in_turn(tries, self._model.token_s, _THREADS_S * 0.4 * self._effort, hopeless=_HOPELESS)
        for one in [one for one in tries if one in read and one in token]:
            self._tell("threads", one, token[one], read[one] / min(self._prompt, 128))
        return replace(start, threads=_fewest(token).threads, prompt_threads=_fewest(read).threads)

    def _variant(self, start: Tried) -> Tried:
        """Flash attention and the cache's type: by the time of a prompt with an answer."""
        layout = self._model.layout
        tries = [start]
        if layout.flash is not None:
            tries += [replace(start, flash_attention=False)]  # left to itself the library uses it where it can
        if layout.types is not None:
            tries += [replace(start, flash_attention=True, kv_type="q8_0")]
        tries = [one for one in tries if self._model.works(one)]
        read = self._read_on(tries, _VARIANTS_S * 0.6 * self._effort)
        small = [one for one in tries if one.kv_type != "f16" and self._model.held(one) >= self._model.held(start)]
        token = in_turn(tries, self._model.token_s, _VARIANTS_S * 0.4 * self._effort, hopeless=_HOPELESS)
        tries = [one for one in tries if one in read and one in token]
        for one in tries[1:]:
            self._tell("cache", one, token[one], read[one] / self._more)
        cost = {one: _WHOLE / self._more * read[one] + _ANSWER * token[one] for one in tries if one not in small}
        return self._cheapest(cost, start)

    def _batch(self, start: Tried) -> Tried:
        """How much of a prompt is read at once."""
        tries = [start]
        if self._model.layout.batch:
            tries += [replace(start, batch=size) for size in _BATCH_SIZES if size < self._prompt]
        tries = [one for one in tries if self._model.works(one)]
        if len(tries) == 1:
            return start
        read = in_turn(
            tries, lambda one: self._model.read_s(one, self._prompt), _BATCHES_S * self._effort, hopeless=_HOPELESS
        )
        for one in tries[1:]:
            if one in read:
                self._tell("batch", one, None, read[one] / self._prompt)
        return self._cheapest(read, start)

    def _read_on(self, tries: Sequence[Tried], budget_s: float) -> dict[Tried, float]:
        """The seconds in which each reads some more of a prompt that is half in the cache."""

        def measure(one: Tried) -> float:
            return self._model.read_on_s(one, self._depth, self._more)

        for one in tries:  # the time to fill the caches is no part of it
            measure(one)
        return in_turn(tries, measure, budget_s, surely=len(tries), hopeless=_HOPELESS)

    def _cheapest(self, cost: dict[Tried, float], start: Tried) -> Tried:
        best = min(cost, key=lambda one: cost[one])
        found = best if cost[best] < _BETTER * cost[start] else start
        self._model.close([start, found, self.before])
        return found

    def _tell(self, kind: str, one: Tried, token_s: float | None, read_s: float) -> None:
        self.rows.append(
            {
                "kind": kind,
                **asdict(one),
                "generate": 1 / token_s if token_s else None,
                "read": 1 / read_s if read_s else None,
            }
        )


def _fewest(seconds: dict[Tried, float]) -> Tried:
    """As good as the best: fewer threads leave more to others."""
    best = min(seconds.values())
    return min((one for one, took in seconds.items() if took * _BETTER <= best), key=lambda one: one.threads)


def main() -> int:
    """Measure, print, end."""
    out = own_output()
    parent, path, plan = sys.argv[1:]
    die_with(int(parent))
    wanted = json.loads(plan)
    begun = time.perf_counter()
    try:
        model = Model(path)
        before = moment()
        search = Search(model, Tried(**wanted["before"]), wanted["counts"], wanted.get("effort", 1.0))
        best = search.best()
        figures = search.again(best)
        beside, took = neighbours(before), time.perf_counter() - begun
    except (OSError, AttributeError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 3
    found = {"best": asdict(best), "rows": search.rows, **figures, "neighbours": beside, "seconds": took}
    out.write(json.dumps(found).encode() + b"\n")
    out.flush()
    os._exit(0)  # the library's threads and memory go with the process


if __name__ == "__main__":
    sys.exit(main())
