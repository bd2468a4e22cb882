"""How much cache each token of context takes, exactly, from what a model's own files say of its layers.

Sources: llama.cpp (`llama-kv-cache*.cpp`, `llama-model.cpp`), exllamav2 0.3.2 (`cache.py`), the architectures' configurations.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from ai.core.errors import BadModelFile
from ai.model_files.gguf import Gguf

PAD: Final = 256
"""llama.cpp rounds the cells of a cache up to this many; ExLlama's pages have the same size."""
UBATCH: Final = 512
BITS: Final = {"f16": 16.0, "q8_0": 8.5, "q6": 6.5, "q5_1": 6.0, "q5_0": 5.5, "q4_1": 5.0, "q4_0": 4.5}
"""Bits an element, the scales of each block of 32 included."""
_EVERY_NTH_IS_FULL: Final = {"gemma2": 2, "gemma3": 6, "gemma3n": 5, "cohere2": 4, "gpt-oss": 2, "exaone4": 4}
"""Sliding-window layers by architecture where the file has no pattern (llama.cpp, `set_swa_pattern`)."""
_RECURRENT: Final = ("ssm.state_size", "wkv.head_size")
_OPTIONAL: Final = (
    "attention.key_length", "attention.value_length", "attention.kv_lora_rank", "attention.key_length_mla", "attention.sliding_window",
    "attention.shared_kv_layers", "rope.dimension_count",
)  # fmt: skip
"""Numbers that a file may leave out; below nothing they describe no model."""


@dataclass(frozen=True, slots=True)
class Layer:
    """Elements of key and value per token, and the window when the layer only looks back that far."""

    key: int
    value: int
    window: int | None = None


@dataclass(frozen=True, slots=True)
class CacheShape:
    """The cache of a model. `exact` is false where the architecture has state this program does not count."""

    layers: tuple[Layer, ...]
    exact: bool = True
    note: str = ""

    def per_token(self, kv_type: str) -> float:
        """Bytes a token of context, of the layers that keep every token."""
        return sum(layer.key + layer.value for layer in self.layers if layer.window is None) * BITS[kv_type] / 8

    def size(self, context: int, parallel: int, kv_type: str) -> int:
        """Bytes for `parallel` requests of `context` tokens each."""
        cells = padded(context)
        total = 0.0
        for layer in self.layers:
            own = cells if layer.window is None else min(cells, padded(layer.window + UBATCH))
            total += (layer.key + layer.value) * own
        return round(total * parallel * BITS[kv_type] / 8)


def padded(tokens: int) -> int:
    """Tokens rounded up to whole cells."""
    return -(-tokens // PAD) * PAD


def shape_of_gguf(header: Gguf) -> CacheShape:
    """The cache of a GGUF model.

    Raises:
        BadModelFile: the header lacks what is needed.
    """
    count, width, heads = (
        header.number("block_count"),
        header.number("embedding_length"),
        header.numbers("attention.head_count"),
    )
    kv = header.numbers("attention.head_count_kv") or heads
    given = [header.number(key) or 0 for key in _OPTIONAL]
    sizes = (count or 0, width or 0, max(heads or (0,)), *(1 + size for size in (*(heads or ()), *(kv or ()), *given)))
    if not count or not width or not heads or not kv or count > 4096 or min(sizes) < 1:
        raise BadModelFile(f"{header.path.name} does not describe its layers.", hint="It may not be a language model.")
    kv_heads = _per_layer(kv, count)
    size = max(heads)
    key = header.number("attention.key_length") or width // size
    value = header.number("attention.value_length") or width // size
    layers = [Layer(key * n, value * n) for n in kv_heads]
    latent = header.number("attention.kv_lora_rank")
    if latent and header.number("attention.key_length_mla"):
        layers = [Layer(latent + (header.number("rope.dimension_count") or 64), 0)] * count
    layers = _windowed(header, layers)
    shared = header.number("attention.shared_kv_layers") or 0
    layers = layers[: count - min(shared, count)]
    recurrent = any(header.number(key) for key in _RECURRENT)
    note = "It also keeps a state that does not grow with the context." if recurrent else ""
    return CacheShape(tuple(layers), exact=not recurrent, note=note)


def shape_of_config(config: Mapping[str, Any]) -> CacheShape:
    """The cache of a model folder, from its `config.json`. ExLlama keeps every token in every layer.

    Raises:
        BadModelFile: the configuration lacks what is needed.
    """
    inner = config.get("text_config")
    text = {**config, **inner} if isinstance(inner, dict) else dict(config)
    count, heads, width = (_whole(text.get(k)) for k in ("num_hidden_layers", "num_attention_heads", "hidden_size"))
    if not count or not heads or not width or count > 4096:
        raise BadModelFile("config.json does not describe the layers.", hint="It may not be a language model.")
    latent = _whole(text.get("kv_lora_rank"))
    if latent:
        return CacheShape((Layer(latent + (_whole(text.get("qk_rope_head_dim")) or 64), 0),) * count)
    kv_heads = _whole(text.get("num_key_value_heads")) or heads
    size = _whole(text.get("head_dim")) or width // heads
    kinds = text.get("layer_types")
    attention = count
    if isinstance(kinds, list) and len(kinds) == count:
        attention = sum("attention" in str(kind) and "linear" not in str(kind) for kind in kinds)
    exact = attention == count
    return CacheShape(
        (Layer(kv_heads * size, kv_heads * size),) * attention,
        exact=exact,
        note="" if exact else "It also keeps a state.",
    )


def _windowed(header: Gguf, layers: list[Layer]) -> list[Layer]:
    """Marks the layers that only look back a window; llama.cpp gives those a smaller cache."""
    window = header.number("attention.sliding_window")
    if not window:
        return layers
    pattern = header.metadata.get(f"{header.architecture}.attention.sliding_window_pattern")
    if isinstance(pattern, tuple) and len(pattern) == len(layers):
        return [
            replace(layer, window=window) if slides else layer for layer, slides in zip(layers, pattern, strict=True)
        ]
    nth = (
        pattern
        if isinstance(pattern, int) and not isinstance(pattern, bool)
        else _EVERY_NTH_IS_FULL.get(header.architecture)
    )
    if not nth:
        return layers  # llama.cpp gives such a model a full cache
    return [replace(layer, window=window) if at % nth < nth - 1 else layer for at, layer in enumerate(layers)]


def _per_layer(values: tuple[int, ...], count: int) -> tuple[int, ...]:
    if len(values) == count:
        return values
    return (values[0],) * count


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**31 else None
