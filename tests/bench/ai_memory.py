"""Memory predicted before loading against what llama.cpp then takes: settings of the model that comes along, and small models of other
architectures with random weights, made here. Needs the package `gguf` to make them: `uv run --with gguf python tests/bench/ai_memory.py`.

Prints one JSON object: for each configuration the cache to the byte, as llama.cpp's own log has it, and the total against the peak of the worker.
"""

import argparse
import asyncio
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import gguf
import numpy as np

from ai.backends.llamacpp_embedded import LlamaCppBackend
from ai.core.errors import BackendError
from ai.core.protocol import complete
from ai.core.types import GenRequest, KvType, LoadSpec, Message
from ai.discovery.files import demo_model
from ai.model_files.memory import predict

PROMPT = GenRequest((Message("user", "The nurse works in Berlin and likes it. " * 12),), max_tokens=2)
_LOGGED = re.compile(r"llama_kv_cache[^:\n]*: size =\s*([0-9.]+) MiB \(\s*(\d+) cells,\s*(\d+) layers")
_SHOW = """
import os, sys, time, xllamacpp as x
p = x.CommonParams()
p.model.path, p.n_parallel, p.n_ctx = sys.argv[1], int(sys.argv[3]), int(sys.argv[2]) * int(sys.argv[3])
p.cache_type_k = p.cache_type_v = getattr(x.ggml_type, "GGML_TYPE_" + sys.argv[4].upper())
p.verbosity, p.fit_params, p.cache_ram_mib, p.ui, p.hostnames = 5, False, 0, False, [sys.argv[5]]
server = x.Server(p)
time.sleep(0.3)  # its log is written by a thread
os._exit(0)
"""


@dataclass(frozen=True)
class Made:
    """A model to be made. `window`: of its sliding layers; `latent`: of an architecture that keeps compressed keys (MLA)."""

    name: str
    arch: str
    layers: int
    width: int
    heads: int
    kv_heads: int
    inner: int
    head: int
    window: int = 0
    latent: int = 0
    more: dict[str, int] = field(default_factory=dict)


MADE = [
    Made("grouped queries", "llama", 24, 512, 8, 2, 1536, 64),
    Made("all heads", "llama", 16, 512, 8, 8, 1536, 64),
    Made("wide heads", "qwen3", 20, 512, 8, 4, 1536, 128),
    Made("sliding window, every second", "gemma2", 18, 512, 8, 4, 1536, 64, window=1024),
    Made("sliding window, five of six", "gemma3", 24, 512, 8, 4, 1536, 64, window=512),
    Made("compressed keys", "deepseek2", 27, 512, 8, 1, 1536, 96, latent=128),
]
SETTINGS: list[tuple[int, int, KvType]] = [
    (512, 1, "f16"), (2048, 1, "f16"), (4096, 1, "f16"), (8192, 1, "f16"), (2048, 4, "f16"), (4096, 2, "q8_0"), (8192, 1, "q8_0"), (8192, 2, "q4_0"),
]  # fmt: skip


def make(made: Made, folder: Path) -> Path:
    """Write the model; its vocabulary is the demonstration model's."""
    demo = demo_model()
    assert demo is not None
    path = folder / f"{made.name.replace(' ', '-').replace(',', '')}.gguf"
    writer = gguf.GGUFWriter(str(path), made.arch)
    writer.add_context_length(32768)
    writer.add_embedding_length(made.width)
    writer.add_block_count(made.layers)
    writer.add_feed_forward_length(made.inner)
    writer.add_head_count(made.heads)
    writer.add_head_count_kv(made.kv_heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    if made.latent:
        rope, nope = 32, made.head - 32
        writer.add_key_length(made.latent + rope)
        writer.add_value_length(made.latent)
        writer.add_key_length_mla(made.head)
        writer.add_value_length_mla(nope)
        writer.add_rope_dimension_count(rope)
        writer.add_kv_lora_rank(made.latent)
        writer.add_leading_dense_block_count(made.layers)
        writer.add_expert_count(0)
        writer.add_expert_feed_forward_length(made.inner)
        writer.add_expert_shared_count(0)
        writer.add_expert_weights_scale(1.0)
        writer.add_vocab_size(49152)
    else:
        writer.add_key_length(made.head)
        writer.add_value_length(made.head)
        writer.add_rope_dimension_count(made.head)
    if made.window:
        writer.add_sliding_window(made.window)
    _vocabulary(demo, writer)
    noise = np.random.default_rng(1)
    for name, shape in _tensors(made):
        data = noise.standard_normal(shape, np.float32) * 0.02
        writer.add_tensor(name, data if len(shape) == 1 else data.astype(np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _vocabulary(demo: Path, writer: Any) -> None:
    for name, item in gguf.GGUFReader(str(demo)).fields.items():
        if not name.startswith("tokenizer."):
            continue
        kind, value = item.types[0], item.contents()
        if kind == gguf.GGUFValueType.ARRAY:
            writer.add_array(name, value)
        else:
            writer.add_key_value(name, value, kind)


def _tensors(made: Made) -> Iterator[tuple[str, tuple[int, ...]]]:
    vocabulary = 49152
    yield "token_embd.weight", (vocabulary, made.width)
    yield "output_norm.weight", (made.width,)
    for at in range(made.layers):
        b = f"blk.{at}."
        yield f"{b}attn_norm.weight", (made.width,)
        if made.latent:
            rope, nope = 32, made.head - 32
            yield f"{b}attn_q.weight", (made.heads * made.head, made.width)
            yield f"{b}attn_kv_a_mqa.weight", (made.latent + rope, made.width)
            yield f"{b}attn_kv_a_norm.weight", (made.latent,)
            yield f"{b}attn_k_b.weight", (made.heads, made.latent, nope)
            yield f"{b}attn_v_b.weight", (made.heads, nope, made.latent)
            yield f"{b}attn_output.weight", (made.width, made.heads * nope)
        else:
            yield f"{b}attn_q.weight", (made.heads * made.head, made.width)
            yield f"{b}attn_k.weight", (made.kv_heads * made.head, made.width)
            yield f"{b}attn_v.weight", (made.kv_heads * made.head, made.width)
            yield f"{b}attn_output.weight", (made.width, made.heads * made.head)
        if made.arch in {"qwen3", "gemma3"}:
            yield f"{b}attn_q_norm.weight", (made.head,)
            yield f"{b}attn_k_norm.weight", (made.head,)
        yield f"{b}ffn_norm.weight", (made.width,)
        if made.arch.startswith("gemma"):
            yield f"{b}post_attention_norm.weight", (made.width,)
            yield f"{b}post_ffw_norm.weight", (made.width,)
        yield f"{b}ffn_gate.weight", (made.inner, made.width)
        yield f"{b}ffn_up.weight", (made.inner, made.width)
        yield f"{b}ffn_down.weight", (made.width, made.inner)
    if made.latent:
        yield "output.weight", (vocabulary, made.width)


def cache_logged(path: Path, context: int, parallel: int, kv_type: str) -> float | None:
    """MiB of cache as llama.cpp's own log has them; None when it could not load the model."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", _SHOW, str(path), str(context), str(parallel), kv_type, f"{folder}/s.sock"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    sizes = [float(size) for size, _, _ in _LOGGED.findall(done.stderr + done.stdout)]
    if not sizes:
        sys.stderr.write((done.stderr + done.stdout)[-1500:])
    return sum(sizes) if sizes else None


async def peak(path: Path, context: int, parallel: int, kv_type: KvType) -> float | None:
    """MiB at the peak of a worker that answered once."""
    backend = LlamaCppBackend(name="measured")
    try:
        await backend.ensure_loaded(LoadSpec(str(path), context=context, parallel=parallel, kv_type=kv_type, threads=1))
        await complete(backend, PROMPT)
        found = (await backend.memory()).peak
    except BackendError as error:
        sys.stderr.write(f"{path.name}: {error.message}\n")
        return None
    finally:
        await backend.close()
    return found.value / 1024**2 if found else None


async def row(label: str, path: Path, context: int, parallel: int, kv_type: KvType) -> dict[str, Any]:
    """One configuration."""
    plan = predict(path, n_ctx=context, n_parallel=parallel, kv_type=kv_type)
    logged = await asyncio.to_thread(cache_logged, path, context, parallel, kv_type)
    measured = await peak(path, context, parallel, kv_type)
    total = plan.total / 1024**2
    return {
        "model": label, "context": context, "parallel": parallel, "kv_type": kv_type, "cache_mib": round(plan.cache / 1024**2, 2), "cache_logged_mib": logged,
        "cache_exact": logged is not None and abs(plan.cache / 1024**2 - logged) < 0.02 + 0.01 * parallel,
        "total_mib": round(total, 1), "peak_mib": round(measured, 1) if measured else None,
        "off_pct": round(100 * (total / measured - 1), 1) if measured else None,
    }  # fmt: skip


async def work(*, quick: bool) -> list[dict[str, Any]]:
    """All configurations."""
    demo = demo_model()
    assert demo is not None
    rows = [await row("SmolLM2 135M Q4_1", demo, *setting) for setting in (SETTINGS[:2] if quick else SETTINGS)]
    with tempfile.TemporaryDirectory() as folder:
        for made in MADE[:1] if quick else MADE:
            path = make(made, Path(folder))
            rows.append(await row(f"{made.arch}: {made.name}", path, 4096, 1, "f16"))
            path.unlink()
    return rows


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="three configurations")
    rows = asyncio.run(work(quick=parser.parse_args().quick))
    machine = {"cpus": os.cpu_count(), "load1": os.getloadavg()[0], "python": platform.python_version()}
    known = [abs(r["off_pct"]) for r in rows if r["off_pct"] is not None]
    summary = {
        "configurations": len(rows),
        "cache_exact": sum(r["cache_exact"] for r in rows),
        "within_10_pct": sum(o <= 10 for o in known),
    }
    print(json.dumps({"name": "ai_memory", "machine": machine, **summary, "rows": rows}, indent=2))


if __name__ == "__main__":
    main()
