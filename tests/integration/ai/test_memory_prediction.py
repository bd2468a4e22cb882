"""Memory before loading: exact caches of many architectures, hostile files, remedies that are true."""

import json
import os
import struct
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ai.core.errors import BadModelFile, BadRequest, ModelMissing
from ai.model_files.gguf import Gguf, read_gguf
from ai.model_files.kv_cache import BITS, padded, shape_of_config, shape_of_gguf
from ai.model_files.memory import MIB, MemoryPlan, fit, predict, safetensors_sizes
from tests.examples import examples

KIB = 1024


def header(architecture: str, **keys: Any) -> Gguf:
    """A header with these keys of the architecture."""
    metadata: dict[str, Any] = {"general.architecture": architecture}
    metadata |= {f"{architecture}.{key.replace('__', '.')}": value for key, value in keys.items()}
    return Gguf(Path("m.gguf"), 3, metadata, (), 0)


def llama(layers: int, width: int, heads: int, kv: int | tuple[int, ...], **more: Any) -> Gguf:
    """A header of the common kind."""
    architecture = more.pop("architecture", "llama")
    return header(
        architecture,
        block_count=layers,
        embedding_length=width,
        attention__head_count=heads,
        attention__head_count_kv=kv,
        **more,
    )


@pytest.mark.parametrize(
    ("name", "model", "per_token"),
    [
        ("SmolLM2-135M", llama(30, 576, 9, 3), 22.5 * KIB),
        ("Llama-2-7B", llama(32, 4096, 32, 32), 512 * KIB),
        ("Llama-3-8B", llama(32, 4096, 32, 8), 128 * KIB),
        ("Llama-3-70B", llama(80, 8192, 64, 8), 320 * KIB),
        ("Mistral-7B", llama(32, 4096, 32, 8, architecture="mistral"), 128 * KIB),
        ("Qwen2.5-0.5B", llama(24, 896, 14, 2, architecture="qwen2"), 12 * KIB),
        ("Qwen2.5-7B", llama(28, 3584, 28, 4, architecture="qwen2"), 56 * KIB),
        ("Qwen3-0.6B", llama(28, 1024, 16, 8, architecture="qwen3", attention__key_length=128, attention__value_length=128), 112 * KIB),
        ("Phi-3-mini", llama(32, 3072, 32, 32, architecture="phi3"), 384 * KIB),
        ("Gemma-2-9B, full layers", llama(42, 3584, 16, 8, architecture="gemma2", attention__key_length=256, attention__value_length=256, attention__sliding_window=4096), 168 * KIB),
        ("DeepSeek-V2-Lite", llama(27, 2048, 16, 16, architecture="deepseek2", attention__kv_lora_rank=512, attention__key_length_mla=192, rope__dimension_count=64), 27 * 576 * 2),
        ("heads by layer", llama(4, 1024, 16, (8, 0, 4, 0), architecture="granitehybrid"), 12 * 64 * 2 * 2),
    ],
)  # fmt: skip
def test_the_cache_of_known_architectures_is_exact(name: str, model: Gguf, per_token: float) -> None:
    """Bytes a token in f16, as computed by hand from each model's published configuration."""
    assert shape_of_gguf(model).per_token("f16") == per_token, name


def test_sliding_windows_stop_growing() -> None:
    """Of Gemma 3's layers five in six keep a window; llama.cpp gives those window + 512 cells."""
    shape = shape_of_gguf(
        llama(
            26,
            1152,
            4,
            1,
            architecture="gemma3",
            attention__key_length=256,
            attention__value_length=256,
            attention__sliding_window=512,
        )
    )
    full = sum(layer.window is None for layer in shape.layers)
    assert full == 4
    expected = (4 * 8192 + 22 * 1024) * 512 * 2
    assert shape.size(8192, 1, "f16") == expected


@pytest.mark.parametrize(
    ("config", "per_token"),
    [
        (
            {"num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8, "hidden_size": 4096},
            128 * KIB,
        ),
        (
            {
                "num_hidden_layers": 28,
                "num_attention_heads": 16,
                "num_key_value_heads": 8,
                "hidden_size": 1024,
                "head_dim": 128,
            },
            112 * KIB,
        ),
        ({"text_config": {"num_hidden_layers": 2, "num_attention_heads": 4, "hidden_size": 64}}, 512),
        (
            {
                "num_hidden_layers": 4,
                "num_attention_heads": 4,
                "hidden_size": 64,
                "layer_types": ["linear_attention", "full_attention"] * 2,
            },
            512,
        ),
    ],
)
def test_the_cache_follows_from_a_folders_config(config: dict[str, Any], per_token: float) -> None:
    """ExLlama's models: grouped heads, head size of their own, nested text models, layers without attention."""
    assert shape_of_config(config).per_token("f16") == per_token


@pytest.mark.parametrize(("kv_type", "bits"), [("f16", 16), ("q8_0", 8.5), ("q6", 6.5), ("q4_0", 4.5)])
def test_cache_types_include_their_scales(kv_type: str, bits: float) -> None:
    """A block of 32 has a scale of 16 bits."""
    assert shape_of_gguf(llama(1, 64, 1, 1)).size(256, 1, kv_type) == 256 * 128 * bits / 8


def test_the_embedded_models_plan_adds_up(demo_path: Path) -> None:
    """Weights from the tensor table; per token 22.5 KiB; the total is the sum."""
    plan = predict(demo_path, n_ctx=4096, n_parallel=2, kv_type="f16")
    assert (plan.weights, plan.cache, plan.cache_per_token) == (96_576_768, 2 * 4096 * 23_040, 23_040)
    assert plan.total == plan.weights + plan.cache + plan.compute + plan.overhead
    assert (plan.parameters, plan.trained_context, plan.cache_exact) == (134_515_008, 8192, True)


def test_what_fits_needs_no_remedy(demo_path: Path) -> None:
    """Enough room."""
    found = fit(predict(demo_path, n_ctx=2048), 4 * 1024 * MIB)
    assert (found.fits, found.remedy, found.alternatives) == (True, "", ())


@pytest.fixture(scope="session")
def small_plan(demo_path: Path) -> MemoryPlan:
    """The demonstration model with little context."""
    return predict(demo_path, n_ctx=256)


@given(
    context=st.integers(1, 60_000),
    parallel=st.integers(1, 8),
    kv_type=st.sampled_from(["f16", "q8_0", "q4_0"]),
    room=st.integers(0, 3000),
)
def test_every_remedy_is_true(small_plan: MemoryPlan, context: int, parallel: int, kv_type: str, room: int) -> None:
    """Each alternative fits, and the sentence names it; without one it says to take a smaller model."""
    plan = small_plan.with_settings(context=context, parallel=parallel, kv_type=kv_type)
    found = fit(plan, room * MIB, reserve=0)
    assert found.fits == (found.plan.total <= room * MIB)
    if found.fits:
        return
    assert all(option.total <= room * MIB for option in found.alternatives)
    assert found.remedy.endswith(".")
    assert bool(found.alternatives) or "smaller model" in found.remedy


def test_changing_settings_is_predicting_anew(demo_path: Path) -> None:
    """An alternative is the same plan as one made from the file."""
    changed = predict(demo_path, n_ctx=8192, n_parallel=4).with_settings(context=1024, parallel=1, kv_type="q8_0")
    assert changed.total == predict(demo_path, n_ctx=1024, kv_type="q8_0").total


@pytest.mark.parametrize("wrong", [{"n_ctx": 0}, {"n_ctx": 1, "n_parallel": 0}, {"n_ctx": 1, "kv_type": "q3"}])
def test_impossible_settings_are_refused(demo_path: Path, wrong: dict[str, Any]) -> None:
    """With the cache types there are."""
    with pytest.raises(BadRequest):
        predict(demo_path, **wrong)


def test_nothing_there_is_a_missing_model(tmp_path: Path) -> None:
    """Neither file nor folder."""
    with pytest.raises(ModelMissing):
        predict(tmp_path / "absent", n_ctx=1)


def model_folder(folder: Path, **tensors: int) -> Path:
    """A folder with a config and one safetensors file with tensors of these sizes."""
    (folder / "config.json").write_text(
        json.dumps(
            {"num_hidden_layers": 2, "num_attention_heads": 4, "hidden_size": 64, "max_position_embeddings": 512}
        )
    )
    entries, at = {}, 0
    for name, size in tensors.items():
        entries[name.replace("__", ".")] = {"dtype": "F16", "shape": [size // 2], "data_offsets": [at, at + size]}
        at += size
    body = json.dumps(entries).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(body)) + body + b"\0" * at)
    return folder


def test_a_folder_of_safetensors_is_predicted_for_the_gpu(tmp_path: Path) -> None:
    """Tensor bytes without the embedding, which ExLlama keeps in the machine's memory."""
    plan = predict(
        model_folder(tmp_path, model__embed_tokens__weight=1000, lm_head__weight=3000), n_ctx=512, kv_type="q8_0"
    )
    assert (plan.weights, plan.where, plan.cache) == (3000, "gpu", 512 * 2 * 2 * 64 * 8.5 / 8)
    assert plan.trained_context == 512


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff" * 8,
        struct.pack("<Q", 2) + b"[]",
        struct.pack("<Q", 50) + b'{"a":',
        struct.pack("<Q", 33) + b'{"a": {"data_offsets": [0, 9999]}}'[:33],
        struct.pack("<Q", 34) + b'{"a": {"data_offsets": [0, 9999]}}',
    ],
)
def test_hostile_safetensors_are_refused(tmp_path: Path, data: bytes) -> None:
    """Headers that lie about sizes."""
    path = tmp_path / "x.safetensors"
    path.write_bytes(data)
    with pytest.raises(BadModelFile):
        safetensors_sizes(path)


def test_padding_is_whole_cells() -> None:
    """256 at a time."""
    assert [padded(n) for n in (1, 256, 257)] == [256, 256, 512]
    assert set(BITS) >= {"f16", "q8_0", "q4_0"}


def test_the_real_header_is_read(demo_path: Path) -> None:
    """Keys, tensors and sizes of the demonstration model."""
    found = read_gguf(demo_path)
    assert (found.architecture, found.quantization, len(found.tensors), found.version) == ("llama", "Q4_1", 272, 3)
    assert found.numbers("attention.head_count_kv") == (3,)
    assert found.metadata["tokenizer.ggml.tokens"] is None  # too long to keep
    assert read_gguf(demo_path, tensors=False).tensors == ()


@settings(max_examples=examples(100))
@given(st.integers(0, 4000), st.binary(min_size=1, max_size=8), st.integers(0, 60_000))
def test_a_damaged_header_is_an_error_or_a_header(demo_path: Path, at: int, noise: bytes, length: int) -> None:
    """Bytes changed, the end cut off: never another exception, never much memory."""
    with demo_path.open("rb") as model:
        data = bytearray(model.read(length))
    data[at : at + len(noise)] = noise
    with NamedTemporaryFile(suffix=".gguf") as file:
        file.write(data)
        file.flush()
        with suppress(BadModelFile):
            read_gguf(Path(file.name))


def test_counts_are_believed_only_as_far_as_the_file_goes(tmp_path: Path) -> None:
    """2^60 keys, an array of 2^60, a string of 2^60: refused before anything is allocated."""
    start = b"GGUF" + struct.pack("<I", 3)
    hostile = [
        start + struct.pack("<QQ", 2**60, 0),
        start + struct.pack("<QQ", 0, 2**60),
        start + struct.pack("<QQQ", 0, 1, 2**60),
        start + struct.pack("<QQQ1sIIQ", 0, 1, 1, b"k", 9, 4, 2**60),
        start + struct.pack("<QQQ1sIIQ", 0, 1, 1, b"k", 9, 8, 2**60),
        start + struct.pack("<QQQ1sI", 0, 1, 1, b"k", 99),
        start + struct.pack("<QQQ1sIQIQ", 1, 0, 1, b"t", 1, 2**62, 0, 0),
        b"GGUF" + struct.pack("<IQQ", 99, 0, 0),
    ]
    for at, data in enumerate(hostile):
        path = tmp_path / f"{at}.gguf"
        path.write_bytes(data)
        with pytest.raises(BadModelFile):
            read_gguf(path)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"GGUF" + struct.pack(">IQQ", 3, 0, 0) + bytes(64), "big-endian"),
        (b"GGUF" + struct.pack("<IQQ", 3, 1, 0) + struct.pack("<Q1sIQIQ", 1, b"t", 1, 32, 36, 0) + bytes(64), "given up"),
        (b"GGUF" + struct.pack("<IQQ", 3, 1, 0) + struct.pack("<Q1sIQIQ", 1, b"t", 1, 32, 250, 0) + bytes(64), "unknown type 250"),
        (b"GGUF" + struct.pack("<IQQQ1sIIQ", 3, 0, 1, 1, b"k", 9, 9, 100_000) + bytes(2_000_000), "very many arrays"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_says_why(tmp_path: Path, data: bytes, words: str) -> None:
    """The other order of bytes, types of yesterday and of tomorrow, arrays of arrays that would take minutes."""
    path = tmp_path / "m.gguf"
    path.write_bytes(data)
    with pytest.raises(BadModelFile, match=words):
        read_gguf(path)


@given(st.dictionaries(st.sampled_from(["block_count", "embedding_length", "attention.head_count", "attention.head_count_kv", "attention.key_length",
    "attention.value_length", "attention.kv_lora_rank", "attention.key_length_mla", "rope.dimension_count", "attention.sliding_window", "attention.shared_kv_layers"]),
    st.one_of(st.integers(-(2**63), 2**64), st.integers(-2, 100), st.booleans(), st.text(max_size=2), st.tuples(st.integers(-2, 9), st.integers(-2, 9)))))  # fmt: skip
def test_no_numbers_of_a_file_make_a_cache_of_less_than_nothing(told: dict[str, Any]) -> None:
    """Files come from strangers: whatever they say of their layers is a size or an error."""
    metadata = {"general.architecture": "x", **{f"x.{key}": value for key, value in told.items()}}
    with suppress(BadModelFile):
        assert shape_of_gguf(Gguf(Path("m.gguf"), 3, metadata, (), 100)).size(4096, 2, "f16") >= 0


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_a_pipe_is_no_model(tmp_path: Path) -> None:
    """Nobody may ever write to it."""
    path = tmp_path / "m.gguf"
    os.mkfifo(path)
    with pytest.raises(BadModelFile, match="no file"):
        read_gguf(path)
