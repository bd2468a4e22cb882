"""ExLlamaV3 as a token engine. Runs in the worker; every call is checked against the real package by the contract tests."""

from typing import Any, Final

from ai.core.types import Sampling
from ai.worker.engines.generation import Job
from ai.worker.messages import LoadFailed

_BITS: Final = {"f16": None, "q8_0": 8, "q6": 6, "q5_0": 5, "q4_0": 4}
_PAGE: Final = 256


def new_cache(exllamav3: Any, model: Any, tokens: int, kv_type: str) -> Any:
    """A cache, made before the model is loaded; its length is a whole number of pages.

    Raises:
        LoadFailed: the cache type is none of ExLlamaV3's.
    """
    if kv_type not in _BITS:
        raise LoadFailed("error", f"ExLlamaV3 has no cache of type {kv_type} (it has: {', '.join(_BITS)}).")
    length = -(-tokens // _PAGE) * _PAGE
    bits = _BITS[kv_type]
    if bits is None:
        return exllamav3.Cache(model, max_num_tokens=length)
    return exllamav3.Cache(
        model, max_num_tokens=length, layer_type=exllamav3.CacheLayer_quant, k_bits=bits, v_bits=bits
    )


def new_sampler(exllamav3: Any, sampling: Sampling) -> Any:
    """Every value explicit; greedy at temperature 0."""
    return exllamav3.ComboSampler(
        rep_p=sampling.repeat_penalty,
        freq_p=0.0,
        pres_p=0.0,
        dry_multiplier=0.0,
        temperature=sampling.temperature,
        min_p=sampling.min_p,
        top_k=sampling.top_k,
        top_p=sampling.top_p,
        temp_last=False,
    )


def v3_job(exllamav3: Any, job: Job, identifier: int, ends: list[int], tokenizer: Any) -> Any:
    """`Job` with everything it takes from us; a JSON schema by the package's own filter."""
    import torch

    filters = (
        [exllamav3.LLGuidanceFilter(tokenizer, json_schema=job.json_schema, eos_after_completed=True)]
        if job.json_schema
        else None
    )
    return exllamav3.Job(
        input_ids=torch.tensor([job.ids], dtype=torch.long),
        max_new_tokens=job.max_tokens,
        sampler=new_sampler(exllamav3, job.sampling),
        seed=job.sampling.seed,
        stop_conditions=[*job.stop, *(() if job.ignore_eos else ends)],
        filters=filters,
        identifier=identifier,
    )


class ExLlamaV3Engine:
    """A loaded model with its generator."""

    reserved = 1
    """V3 finds pages for one token more than prompt and answer have, or refuses the job."""

    def __init__(self, folder: str, context: int, parallel: int, kv_type: str) -> None:
        import exllamav3

        self._package = exllamav3
        self.context, self.parallel = context, parallel
        config = exllamav3.Config.from_directory(folder)
        self.model = exllamav3.Model.from_config(config)
        cache = new_cache(exllamav3, self.model, context * parallel, kv_type)
        self.model.load(progressbar=False)
        self.tokenizer = exllamav3.Tokenizer.from_config(config)
        self.generator = exllamav3.Generator(self.model, cache, self.tokenizer, max_batch_size=parallel)
        self._ends = [self.tokenizer.eos_token_id]

    def also_ends_with(self, ids: list[int]) -> None:
        """More tokens that end an answer."""
        self._ends = sorted({*self._ends, *ids})

    def encode(self, text: str, *, special: bool) -> list[int]:
        """The tokens of a text."""
        return [int(token) for token in self.tokenizer.encode(text, add_bos=False, encode_special_tokens=special)[0]]

    def new_job(self, job: Job, identifier: int) -> Any:
        """The package's own job."""
        return v3_job(self._package, job, identifier, self._ends, self.tokenizer)

    def vram(self) -> int | None:
        """Bytes that torch holds on all GPUs."""
        import torch

        return sum(int(torch.cuda.memory_reserved(device)) for device in range(torch.cuda.device_count()))
