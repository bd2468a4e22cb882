"""What the contract tests run inside an environment that has torch and the real exllamav2 or exllamav3 (`python exllama_checks.py 2|3 FOLDER`).

Only the compiled extension is stubbed: configuration, tokenizer, model graph, caches, sampler settings, jobs and every signature
are the package's own. Prints one JSON object: check → "ok" or what went wrong.
"""

import importlib.machinery
import inspect
import json
import shutil
import sys
import types
from collections.abc import Callable
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[4]


class Extension(types.ModuleType):
    """Any function of it exists, and refuses to run."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name[:1].isupper():
            return type(name, (), {})

        def refuse(*_: Any, **__: Any) -> None:
            raise RuntimeError(f"{name} needs the CUDA build")

        return refuse


def stub(name: str) -> None:
    """Put the extension's place-holder where the package will look for it."""
    module = Extension(name)
    suffix = importlib.machinery.EXTENSION_SUFFIXES[0]
    loader = importlib.machinery.ExtensionFileLoader(name, f"/stub{suffix}")
    module.__spec__ = importlib.machinery.ModuleSpec(name, loader=loader, origin=f"/stub{suffix}")
    sys.modules[name] = module


def tiny_model(folder: Path) -> None:
    """A made-up Llama of two layers with a real byte-level tokenizer."""
    import torch
    from safetensors.torch import save_file
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<unk>", "<s>", "</s>"]
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    tokenizer.train_from_iterator(["hello world of jobs, python engineers and databases"] * 20, trainer)
    tokenizer.save(str(folder / "tokenizer.json"))
    vocabulary, hidden, inner, layers, heads = tokenizer.get_vocab_size(), 128, 256, 2, 2
    config = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": hidden, "intermediate_size": inner,
        "num_hidden_layers": layers, "num_attention_heads": heads, "num_key_value_heads": heads, "vocab_size": vocabulary,
        "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "max_position_embeddings": 256, "bos_token_id": 1, "eos_token_id": 2,
        "pad_token_id": 0, "torch_dtype": "float16", "tie_word_embeddings": False, "hidden_act": "silu",
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer_config.json").write_text(
        json.dumps(
            {
                "bos_token": "<s>",
                "eos_token": "</s>",
                "unk_token": "<unk>",
                "chat_template": "{% for m in messages %}{{ m.content }}{% endfor %}",
            }
        )
    )
    half = torch.float16
    tensors = {
        "model.embed_tokens.weight": torch.randn(vocabulary, hidden, dtype=half) * 0.02,
        "model.norm.weight": torch.ones(hidden, dtype=half),
        "lm_head.weight": torch.randn(vocabulary, hidden, dtype=half) * 0.02,
    }
    shapes = {"self_attn.q_proj": (hidden, hidden), "self_attn.k_proj": (hidden, hidden), "self_attn.v_proj": (hidden, hidden),
              "self_attn.o_proj": (hidden, hidden), "mlp.gate_proj": (inner, hidden), "mlp.up_proj": (inner, hidden),
              "mlp.down_proj": (hidden, inner)}  # fmt: skip
    for layer in range(layers):
        for name, shape in shapes.items():
            tensors[f"model.layers.{layer}.{name}.weight"] = torch.randn(*shape, dtype=half) * 0.02
        for name in ("input_layernorm", "post_attention_layernorm"):
            tensors[f"model.layers.{layer}.{name}.weight"] = torch.ones(hidden, dtype=half)
    save_file(tensors, str(folder / "model.safetensors"))


def takes(function: Any, *names: str) -> None:
    """The function has all these parameters."""
    have = inspect.signature(function).parameters
    if any(p.kind is inspect.Parameter.VAR_KEYWORD for p in have.values()):
        return
    missing = [name for name in names if name not in have]
    assert not missing, f"{function.__qualname__} does not take {missing}"


def fails(kind: type[Exception], make: Callable[[], Any]) -> None:
    """It raises that error."""
    try:
        make()
    except kind:
        return
    raise AssertionError("no error")


RECORD = Path(__file__).parent / "exllama_signatures.json"


def signatures_of(package: Any, extra: dict[str, Any], names: list[str]) -> dict[str, dict[str, bool]]:
    """Class → parameter → whether it has a default; `**` alone for what only hands on what it is given."""
    found = {}
    for name in names:
        target = extra.get(name) or attrgetter(name)(package)
        parameters = list(inspect.signature(target).parameters.values())
        variadic = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
        known = [p for p in parameters if p.kind not in variadic and p.name != "self"]
        found[name] = {p.name: p.default is not inspect.Parameter.empty for p in known}
        if not known and any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters):
            found[name] = {"**": True}
    return found


def recorded(generation: str, found: dict[str, dict[str, bool]]) -> None:
    """The signatures that the everyday tests rely on are the package's own. `--record` writes them down."""
    known = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    if "--record" in sys.argv:
        known[generation] = found
        RECORD.write_text(json.dumps(known, indent=1) + "\n")
    assert known.get(generation) == found, "the package has changed: run again with --record, and look at what changed"


def checks_v2(folder: Path) -> dict[str, Callable[[], None]]:
    """Our own calls, on the real package."""
    import exllamav2
    from exllamav2 import generator

    from ai.core.types import Sampling
    from ai.worker.engines import exllama_v2 as ours
    from ai.worker.engines.generation import Job

    wanted = ours.plan(str(folder), 256, 4, "f16", None)
    config = ours.new_config(exllamav2, wanted)
    model = exllamav2.ExLlamaV2(config)
    tokenizer = exllamav2.ExLlamaV2Tokenizer(config)

    def graph() -> None:
        assert len(model.modules) == 7
        assert (config.num_hidden_layers, config.max_seq_len, config.no_flash_attn) == (2, 256, True)

    def caches() -> None:
        for kind in ("f16", "q8_0", "q6", "q4_0"):
            cache = ours.new_cache(exllamav2, model, ours.plan(str(folder), 300, 1, kind, None))
            assert cache.max_seq_len == 512

    def round_trip() -> None:
        ids = tokenizer.encode("hello python engineers", add_bos=False, encode_special_tokens=True)
        assert tokenizer.decode(ids)[0] == "hello python engineers"

    def settings() -> None:
        made = ours.new_settings(generator.ExLlamaV2Sampler, Sampling())
        assert (made.top_k, made.token_repetition_penalty, made.top_p) == (1, 1.0, 0.0)
        warm = ours.new_settings(generator.ExLlamaV2Sampler, Sampling(temperature=0.7, top_k=40, top_p=0.9))
        assert (warm.temperature, warm.top_k, warm.top_p, warm.token_repetition_penalty) == (0.7, 40, 0.9, 1.0)

    def job() -> None:
        ids = [int(i) for i in tokenizer.encode("hello world")[0]]
        made = ours.v2_job(generator, Job(ids, 5, Sampling(), ("STOP",)), 7, [tokenizer.eos_token_id], None)
        assert (made.identifier, made.max_new_tokens) == (7, 5)
        assert tokenizer.eos_token_id in made.stop_tokens

    def schema() -> None:
        made = ours.schema_filter(
            tokenizer, model, {"type": "object", "properties": {"a": {"type": "boolean"}}, "required": ["a"]}
        )
        made.begin("")
        allowed, ends = made.next()
        pieces = tokenizer.get_id_to_piece_list()
        assert any(pieces[token].startswith("{") for token in allowed)
        assert not any(pieces[token].startswith("h") for token in allowed)
        assert not ends

    def signatures() -> None:
        dynamic = generator.ExLlamaV2DynamicGenerator
        takes(dynamic.__init__, "model", "cache", "tokenizer", "paged", "max_batch_size")
        takes(dynamic.enqueue, "job")
        takes(dynamic.cancel, "job")
        for name in ("iterate", "num_remaining_jobs", "warmup"):
            assert callable(getattr(dynamic, name))
        takes(exllamav2.ExLlamaV2.load_autosplit, "cache", "progress")

    names = [
        "ExLlamaV2Config",
        "ExLlamaV2",
        "ExLlamaV2Tokenizer",
        "ExLlamaV2Cache",
        "ExLlamaV2Cache_Q8",
        "ExLlamaV2Cache_Q6",
        "ExLlamaV2Cache_Q4",
        "ExLlamaV2.load_autosplit",
    ]
    extra = {
        "Settings": generator.ExLlamaV2Sampler.Settings,
        "ExLlamaV2DynamicGenerator": generator.ExLlamaV2DynamicGenerator,
        "ExLlamaV2DynamicGenerator.warmup": generator.ExLlamaV2DynamicGenerator.warmup,
        "ExLlamaV2DynamicJob": generator.ExLlamaV2DynamicJob,
    }
    return {
        "recorded signatures": lambda: recorded("2", signatures_of(exllamav2, extra, [*names, *extra])),
        "config and model graph": graph,
        "caches": caches,
        "tokenizer": round_trip,
        "sampler settings": settings,
        "job": job,
        "schema filter": schema,
        "signatures": signatures,
        "a path instead of a config fails (model)": lambda: fails(
            AttributeError, lambda: exllamav2.ExLlamaV2(str(folder))
        ),
        "a path instead of a config fails (tokenizer)": lambda: fails(
            AttributeError, lambda: exllamav2.ExLlamaV2Tokenizer(str(folder))
        ),
        "paged without flash-attn fails": lambda: fails(
            AssertionError,
            lambda: generator.ExLlamaV2DynamicGenerator(model=model, cache=None, tokenizer=tokenizer, paged=True),
        ),
        "loading stops at the missing GPU": lambda: fails(
            (AssertionError, RuntimeError),
            lambda: ours.ExLlamaV2Engine(wanted),
        ),
    }


V3_NAMES = [
    "Cache",
    "CacheLayer_quant",
    "ComboSampler",
    "Config.from_directory",
    "Model.from_config",
    "Model.load",
    "Tokenizer.from_config",
    "Generator",
    "Job",
    "LLGuidanceFilter",
]


def checks_v3(folder: Path) -> dict[str, Callable[[], None]]:
    """The same for the successor."""
    import exllamav3

    from ai.core.types import Sampling
    from ai.worker.engines import exllama_v3 as ours
    from ai.worker.engines.generation import Job

    config = exllamav3.Config.from_directory(str(folder))
    model = exllamav3.Model.from_config(config)
    tokenizer = exllamav3.Tokenizer.from_config(config)

    def graph() -> None:
        assert model.modules

    def caches() -> None:
        for kind in ("f16", "q8_0", "q4_0"):
            assert ours.new_cache(exllamav3, model, 300, kind).max_num_tokens == 512

    def round_trip() -> None:
        ids = tokenizer.encode("hello python engineers", add_bos=False, encode_special_tokens=True)
        assert "hello python engineers" in tokenizer.decode(ids)

    def job() -> None:
        ids = [int(i) for i in tokenizer.encode("hello world")[0]]
        made = ours.v3_job(exllamav3, Job(ids, 5, Sampling(), ("STOP",)), 7, [tokenizer.eos_token_id], tokenizer)
        assert made.identifier == 7

    def sampler() -> None:
        ours.new_sampler(exllamav3, Sampling(temperature=0.7, top_k=40, top_p=0.9, min_p=0.05))

    def signatures() -> None:
        takes(exllamav3.Generator.__init__, "model", "cache", "tokenizer", "max_batch_size")
        takes(exllamav3.Generator.cancel, "job")
        takes(exllamav3.Generator.enqueue, "job")
        takes(exllamav3.LLGuidanceFilter.__init__, "tokenizer", "json_schema", "eos_after_completed")
        takes(exllamav3.Model.load_gen, "progressbar")
        for name in ("iterate", "num_remaining_jobs"):
            assert callable(getattr(exllamav3.Generator, name))

    def schema() -> None:
        ids = [int(i) for i in tokenizer.encode("hello world")[0]]
        wanted = {"type": "object", "properties": {"a": {"type": "boolean"}}, "required": ["a"]}
        made = ours.v3_job(exllamav3, Job(ids, 5, Sampling(), json_schema=wanted), 8, [], tokenizer)
        assert len(made.filters) == 1

    return {
        "recorded signatures": lambda: recorded("3", signatures_of(exllamav3, {}, V3_NAMES)),
        "config and model graph": graph,
        "caches": caches,
        "tokenizer": round_trip,
        "job": job,
        "schema filter": schema,
        "sampler": sampler,
        "signatures": signatures,
        "a path instead of a config fails": lambda: fails(
            AttributeError, lambda: exllamav3.Model.from_config(str(folder))
        ),
    }


def needle_checks(generation: str, folder: Path) -> dict[str, Callable[[], None]]:
    """All of a long prompt is read: V2 with paged attention and without, and V3; with a tokenizer file as it should be, and with one that cuts."""
    import exllama_needles as long

    ways = {"V3": (long.engine_v3, True)}
    if generation == "2":
        ways = {
            "V2 paged": (partial(long.engine_v2, paged=True), True),
            "V2": (partial(long.engine_v2, paged=False), False),
        }
    other = folder / "cutting"
    shutil.copytree(folder, other)
    long.cutting(other)
    found: dict[str, Callable[[], None]] = {}
    for way, (engine, batch) in ways.items():
        for files, end in ((folder, ""), (other, ", a tokenizer that cuts")):
            checks = long.needles(files, partial(engine, files), batch=batch)
            found |= {f"{way}: {name}{end}": check for name, check in checks.items()}
    return found


def main() -> int:
    """Run the checks of one generation."""
    generation, folder = sys.argv[1], Path(sys.argv[2])
    sys.path.insert(0, str(ROOT))
    stub(f"exllamav{generation}_ext")
    tiny_model(folder)
    found: dict[str, str] = {}
    if "--record" in sys.argv:
        sys.stderr.write(f"recording into {RECORD}\n")
    checks = (checks_v2 if generation == "2" else checks_v3)(folder)
    for name, check in (checks | needle_checks(generation, folder)).items():
        try:
            check()
            found[name] = "ok"
        except Exception as error:  # noqa: BLE001 - each check reports its own
            found[name] = f"{type(error).__name__}: {error}"
    sys.stdout.write("\nRESULT " + json.dumps(found) + "\n")
    return 0 if set(found.values()) == {"ok"} else 1


if __name__ == "__main__":
    sys.exit(main())
