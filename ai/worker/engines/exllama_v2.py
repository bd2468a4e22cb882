"""ExLlamaV2 as a token engine. Runs in the worker; every call is checked against the real package by the contract tests.

The order matters: configuration (an object, not a path) → model → lazy cache → `load_autosplit` → tokenizer → generator.
"""

import importlib
import importlib.metadata
from dataclasses import dataclass
from typing import Any, Final

from ai.core.types import Sampling
from ai.discovery.packages import FLASH_ATTN, version_tuple
from ai.worker.engines.generation import Job
from ai.worker.messages import LoadFailed

_CACHES: Final = {
    "f16": "ExLlamaV2Cache",
    "q8_0": "ExLlamaV2Cache_Q8",
    "q6": "ExLlamaV2Cache_Q6",
    "q4_0": "ExLlamaV2Cache_Q4",
}
_PAGE: Final = 256
_AMPERE: Final = 8


@dataclass(frozen=True, slots=True)
class Plan:
    """How it will be loaded. Without paged attention one request is answered at a time, without flash-attn."""

    folder: str
    context: int
    parallel: int
    kv_type: str
    paged: bool

    @property
    def cache_tokens(self) -> int:
        """Tokens of the cache, for all requests together, in whole pages."""
        return -(-self.context // _PAGE) * _PAGE * self.parallel


def plan(folder: str, context: int, parallel: int, kv_type: str, capability: tuple[int, int] | None) -> Plan:
    """Paged attention needs flash-attn 2.5.7 and an Ampere GPU (compute `capability` 8) or newer.

    Raises:
        LoadFailed: the cache type is none of ExLlamaV2's.
    """
    if kv_type not in _CACHES:
        raise LoadFailed("error", f"ExLlamaV2 has no cache of type {kv_type} (it has: {', '.join(_CACHES)}).")
    paged = capability is not None and capability[0] >= _AMPERE and version_tuple(_flash_attn()) >= FLASH_ATTN
    return Plan(folder, context, parallel if paged else 1, kv_type, paged)


def _flash_attn() -> str:
    try:
        return importlib.metadata.version("flash-attn")
    except importlib.metadata.PackageNotFoundError:
        return "0"


def new_config(exllamav2: Any, wanted: Plan) -> Any:
    """The configuration of a model folder, `max_seq_len` set before the cache is made."""
    config = exllamav2.ExLlamaV2Config(wanted.folder)
    config.max_seq_len = wanted.context
    if not wanted.paged:
        config.no_flash_attn = True
    config.arch_compat_overrides()
    return config


def new_cache(exllamav2: Any, model: Any, wanted: Plan) -> Any:
    """A cache whose memory is only taken when the model is loaded."""
    return getattr(exllamav2, _CACHES[wanted.kv_type])(model, max_seq_len=wanted.cache_tokens, lazy=True)


def new_settings(sampler: Any, sampling: Sampling) -> Any:
    """Every value that shapes the choice of a token: the package's defaults include a repetition penalty."""
    greedy = sampling.temperature == 0
    return sampler.Settings(
        temperature=1.0 if greedy else sampling.temperature,
        top_k=1 if greedy else sampling.top_k,
        top_p=0.0 if greedy or sampling.top_p >= 1 else sampling.top_p,  # 0 turns it off
        min_p=0.0 if greedy else sampling.min_p,
        token_repetition_penalty=sampling.repeat_penalty,
        token_repetition_range=-1,
        token_repetition_decay=0,
        token_frequency_penalty=0.0,
        token_presence_penalty=0.0,
        top_a=0.0,
        tfs=0.0,
        typical=0.0,
        skew=0.0,
        smoothing_factor=0.0,
        min_temp=0.0,
        max_temp=0.0,
        temperature_last=False,
        mirostat=False,
        dry_multiplier=0.0,
        xtc_probability=0.0,
    )


def schema_filter(tokenizer: Any, model: Any, schema: dict[str, Any], data: Any = None) -> Any:
    """A filter that lets only tokens through that keep the answer within a JSON schema (lm-format-enforcer).

    Raises:
        ImportError: lm-format-enforcer is not installed.
    """
    from exllamav2.generator.filters import ExLlamaV2Filter

    lmfe = importlib.import_module("lmformatenforcer")
    enforcer = lmfe.TokenEnforcer(data or vocabulary_of(tokenizer), lmfe.JsonSchemaParser(schema))

    class SchemaFilter(ExLlamaV2Filter):  # type: ignore[misc]  # the package is not typed
        """The package's own filter class is older than the generator's interface."""

        def __init__(self) -> None:
            super().__init__(model, tokenizer)
            self._said: list[int] = []

        def begin(self, prefix_str: str) -> None:  # noqa: ARG002 - the interface's
            self._said = []

        def feed(self, token: Any) -> None:
            self._said.append(int(token[0][0]))

        def next(self) -> tuple[set[int], set[int]]:
            allowed = set(enforcer.get_allowed_tokens(self._said).allowed_tokens)
            return allowed, {tokenizer.eos_token_id} & allowed

        def use_background_worker(self) -> bool:
            return True

    return SchemaFilter()


def vocabulary_of(tokenizer: Any) -> Any:
    """The vocabulary in the form that lm-format-enforcer walks."""
    return importlib.import_module("lmformatenforcer.integrations.exllamav2").build_token_enforcer_tokenizer_data(
        tokenizer
    )


def read_whole_texts(tokenizer: Any) -> None:
    """Turn off what a `tokenizer.json` may hold from its training: a length at which texts are cut, or to which they are filled up."""
    inner = getattr(getattr(tokenizer, "tokenizer_model", None), "hf_tokenizer", None)
    if inner is not None:
        inner.no_truncation()
        inner.no_padding()


class ExLlamaV2Engine:
    """A loaded model with its generator.

    Raises:
        LoadFailed: (from the constructor) it cannot be loaded here.
    """

    reserved = 0

    def __init__(self, wanted: Plan) -> None:
        import exllamav2
        from exllamav2 import generator

        self._generators = generator
        self.context, self.parallel = wanted.context, wanted.parallel
        config = new_config(exllamav2, wanted)
        self.model = exllamav2.ExLlamaV2(config)
        cache = new_cache(exllamav2, self.model, wanted)
        self.model.load_autosplit(cache, progress=False)
        self.tokenizer = exllamav2.ExLlamaV2Tokenizer(config)
        read_whole_texts(self.tokenizer)
        self.generator = generator.ExLlamaV2DynamicGenerator(
            model=self.model, cache=cache, tokenizer=self.tokenizer, paged=wanted.paged, max_batch_size=wanted.parallel
        )
        self.generator.warmup()
        self._schema_data: Any = None
        self._ends = [self.tokenizer.eos_token_id]

    def also_ends_with(self, ids: list[int]) -> None:
        """More tokens that end an answer (a chat model's end of turn)."""
        self._ends = sorted({*self._ends, *ids})

    def encode(self, text: str, *, special: bool) -> list[int]:
        """The tokens of a text."""
        return [int(token) for token in self.tokenizer.encode(text, add_bos=False, encode_special_tokens=special)[0]]

    def new_job(self, job: Job, identifier: int) -> Any:
        """The package's own job."""
        filters = (
            [schema_filter(self.tokenizer, self.model, job.json_schema, self._data())] if job.json_schema else None
        )
        return v2_job(self._generators, job, identifier, self._ends, filters)

    def vram(self) -> int | None:
        """Bytes that torch holds on all GPUs."""
        import torch

        return sum(int(torch.cuda.memory_reserved(device)) for device in range(torch.cuda.device_count()))

    def _data(self) -> Any:
        """Built once: it goes through the whole vocabulary."""
        if self._schema_data is None:
            self._schema_data = vocabulary_of(self.tokenizer)
        return self._schema_data


def v2_job(generators: Any, job: Job, identifier: int, ends: list[int], filters: list[Any] | None) -> Any:
    """`ExLlamaV2DynamicJob` with everything it takes from us."""
    import torch

    return generators.ExLlamaV2DynamicJob(
        input_ids=torch.tensor([job.ids], dtype=torch.long),
        max_new_tokens=job.max_tokens,
        gen_settings=new_settings(generators.ExLlamaV2Sampler, job.sampling),
        seed=job.sampling.seed,
        stop_conditions=[*job.stop, *(() if job.ignore_eos else ends)],
        filters=filters,
        filter_prefer_eos=True,
        identifier=identifier,
    )
