"""ExLlama without a GPU: what is missing is said, templates are a stranger's program, settings are explicit."""

import asyncio
import inspect
import json
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai.backends.exllama import ExLlamaBackend, quantization, refuse_when_lacking, trained_context
from ai.core.errors import BadModelFile, BadRequest, MissingPiece
from ai.core.protocol import Backend
from ai.core.types import LoadSpec, Message, Sampling
from ai.discovery.packages import Pieces
from ai.model_files.gguf import read_gguf
from ai.worker.engines import exllama_v2, exllama_v3
from ai.worker.engines.chat_template import ChatTemplate
from ai.worker.engines.exllama import end_tokens
from ai.worker.engines.generation import Job
from ai.worker.messages import LoadFailed
from tests.doubles.ai_kit import LoopThread

HELLO = (Message("user", "Hello"),)
SIGNATURES = json.loads((Path(__file__).parent / "contract" / "exllama_signatures.json").read_text())


class Recorded:
    """A package's classes with the signatures that were recorded from the real ones; calls must bind.

    A class that is made elsewhere than by its name (`Config.from_directory`) and a method that is called (`ExLlamaV2.load_autosplit`) stand in
    the record by their dotted names.
    """

    def __init__(self, generation: str) -> None:
        self._signatures: dict[str, dict[str, bool]] = SIGNATURES[generation]
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def __getattr__(self, name: str) -> Any:
        if name in {"ExLlamaV2Sampler", "generator"}:
            return self
        if name.startswith("__"):
            raise AttributeError(name)
        makers = {key.partition(".")[2] for key in self._signatures if key.startswith(f"{name}.from_")}
        if makers:
            return SimpleNamespace(**{maker: self._call(f"{name}.{maker}") for maker in makers})
        return self._call(name)

    def _call(self, name: str) -> Any:
        parameters = self._signatures[name]

        def call(*args: Any, **kwargs: Any) -> Any:
            kinds = [
                inspect.Parameter(
                    p, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=None if optional else inspect.Parameter.empty
                )
                for p, optional in parameters.items()
                if p != "**"
            ]
            if "**" in parameters:
                kinds.append(inspect.Parameter("more", inspect.Parameter.VAR_KEYWORD))
            bound = inspect.Signature(kinds).bind(*args, **kwargs)
            if "config" in bound.arguments and not hasattr(bound.arguments["config"], "model_dir"):
                raise AttributeError(f"{type(bound.arguments['config']).__name__!r} object has no attribute 'arch'")
            self.calls.append((name, dict(bound.arguments)))
            return self._made(name.partition(".")[0], bound.arguments)

        return call

    def _made(self, name: str, arguments: dict[str, Any]) -> Any:
        """An object with what it was made of, and with the methods that were recorded."""
        methods = [key for key in self._signatures if key.startswith(f"{name}.") and ".from_" not in key]
        calls = {key.partition(".")[2]: staticmethod(self._call(key)) for key in methods}
        known = {"model_dir": "x", "eos_token_id": 2, "arch_compat_overrides": lambda _: None}
        return type(name, (), {**known, **arguments, **calls})()

    def of(self, name: str) -> dict[str, Any]:
        """The arguments of the last call of that name."""
        return next(arguments for called, arguments in reversed(self.calls) if called == name)


def test_v2_is_loaded_in_the_order_that_works(monkeypatch: pytest.MonkeyPatch) -> None:
    """Configuration, model, lazy cache, `load_autosplit` with that cache, tokenizer, generator, warm-up: and no path where a configuration belongs."""
    package = Recorded("2")
    monkeypatch.setitem(sys.modules, "exllamav2", package)
    monkeypatch.setitem(sys.modules, "exllamav2.generator", package)
    engine = exllama_v2.ExLlamaV2Engine(exllama_v2.Plan("folder", 300, 3, "q8_0", paged=True))
    assert [name for name, _ in package.calls] == [
        "ExLlamaV2Config", "ExLlamaV2", "ExLlamaV2Cache_Q8", "ExLlamaV2.load_autosplit", "ExLlamaV2Tokenizer",
        "ExLlamaV2DynamicGenerator", "ExLlamaV2DynamicGenerator.warmup",
    ]  # fmt: skip
    assert package.of("ExLlamaV2Config")["model_dir"] == "folder"
    loaded = package.of("ExLlamaV2.load_autosplit")["cache"]
    assert (loaded.lazy, loaded.model, loaded.max_seq_len) == (True, engine.model, 1536)
    made = package.of("ExLlamaV2DynamicGenerator")
    assert (made["model"], made["cache"], made["tokenizer"]) == (engine.model, loaded, engine.tokenizer)
    assert (made["paged"], made["max_batch_size"], engine.parallel) == (True, 3, 3)
    exllama_v2.ExLlamaV2Engine(exllama_v2.Plan("folder", 300, 1, "f16", paged=False))
    made = package.of("ExLlamaV2DynamicGenerator")
    assert (made["paged"], made["max_batch_size"]) == (False, 1)


def test_v3_is_loaded_in_the_order_that_works(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cache is made before the model is loaded, for all requests together."""
    package = Recorded("3")
    monkeypatch.setitem(sys.modules, "exllamav3", package)
    engine = exllama_v3.ExLlamaV3Engine("folder", 300, 3, "f16")
    assert [name for name, _ in package.calls] == [
        "Config.from_directory", "Model.from_config", "Cache", "Model.load", "Tokenizer.from_config", "Generator",
    ]  # fmt: skip
    assert (package.of("Cache")["model"], package.of("Cache")["max_num_tokens"]) == (engine.model, 1024)
    made = package.of("Generator")
    assert (made["model"], made["tokenizer"], made["max_batch_size"]) == (engine.model, engine.tokenizer, 3)


@pytest.fixture
def tensors(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one thing of torch that a job needs: a tensor, which here is its data."""
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(tensor=lambda data, **_: data, long="long"))


@pytest.mark.usefixtures("tensors")
def test_a_job_carries_seed_ends_and_filters() -> None:
    """Both generations: the same answer for the same seed, an end at every end of turn unless the length is to be exact, a schema as a filter."""
    wanted = Job([1, 2], 5, Sampling(seed=9), ("STOP",), json_schema={"type": "object"})
    second, third = Recorded("2"), Recorded("3")
    exllama_v2.v2_job(second, wanted, 7, [2, 128009], ["a filter"])
    exllama_v3.v3_job(third, wanted, 7, [2, 128009], "a tokenizer")
    for package, name in ((second, "ExLlamaV2DynamicJob"), (third, "Job")):
        job = package.of(name)
        assert (job["input_ids"], job["max_new_tokens"], job["seed"], job["identifier"]) == ([[1, 2]], 5, 9, 7)
        assert job["stop_conditions"] == ["STOP", 2, 128009]
        assert len(job["filters"]) == 1
    assert second.of("ExLlamaV2DynamicJob")["filter_prefer_eos"]
    schema = third.of("LLGuidanceFilter")
    assert (schema["tokenizer"], schema["json_schema"]) == ("a tokenizer", {"type": "object"})
    exact = replace(wanted, ignore_eos=True, json_schema=None)
    exllama_v2.v2_job(second, exact, 8, [2], None)
    exllama_v3.v3_job(third, exact, 8, [2], "a tokenizer")
    assert [second.of("ExLlamaV2DynamicJob")["stop_conditions"], third.of("Job")["stop_conditions"]] == [["STOP"]] * 2
    assert [second.of("ExLlamaV2DynamicJob")["filters"], third.of("Job")["filters"]] == [None, None]


def test_without_the_package_the_extra_is_named() -> None:
    """Missing, no outage, with the command."""

    async def go() -> None:
        for generation, extra in ((2, "exllamav2>="), (3, "exllamav3")):
            backend = ExLlamaBackend(generation)
            assert isinstance(backend, Backend)
            with pytest.raises(MissingPiece) as caught:
                await backend.ensure_loaded(LoadSpec("/nowhere"))
            assert extra in caught.value.hint
            assert not caught.value.outage
            await backend.close()

    asyncio.run(go())


def test_each_missing_piece_is_named_with_its_remedy() -> None:
    """The sentence that `doctor` and the page show."""
    with pytest.raises(MissingPiece, match="lacks: tokenizers, an NVIDIA GPU") as caught:
        refuse_when_lacking(
            2,
            "exllamav2",
            Pieces("0.3.2", (("tokenizers", "pip install tokenizers"), ("an NVIDIA GPU", "use llama.cpp")), ()),
        )
    assert caught.value.hint == "Pip install tokenizers; use llama.cpp."
    refuse_when_lacking(2, "exllamav2", Pieces("0.3.2", (), ()))


def test_paged_attention_needs_flash_attn_and_ampere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise one request at a time, and flash-attn off."""
    assert not exllama_v2.plan("m", 1000, 4, "f16", (8, 6)).paged
    for version in ("2.5.6", "2.5.7"):
        assert not exllama_v2.plan("m", 1000, 4, "f16", (8, 6)).paged
        info = tmp_path / version / f"flash_attn-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: flash-attn\nVersion: {version}\n")
        monkeypatch.syspath_prepend(tmp_path / version)
    paged = exllama_v2.plan("m", 1000, 4, "f16", (8, 6))
    assert (paged.paged, paged.parallel, paged.cache_tokens) == (True, 4, 4096)
    old = exllama_v2.plan("m", 1000, 4, "f16", (7, 5))
    assert (old.paged, old.parallel) == (False, 1)
    assert not exllama_v2.plan("m", 1000, 4, "f16", None).paged
    with pytest.raises(LoadFailed, match="no cache of type q5_1"):
        exllama_v2.plan("m", 1000, 4, "q5_1", None)


def test_our_calls_bind_to_the_recorded_signatures_of_v2() -> None:
    """Configuration, lazy cache, settings: as the real package takes them (recorded by the contract run)."""
    package = Recorded("2")
    config = exllama_v2.new_config(package, exllama_v2.Plan("folder", 300, 1, "q8_0", paged=False))
    assert (config.max_seq_len, config.no_flash_attn) == (300, True)
    model = package.ExLlamaV2(config)
    exllama_v2.new_cache(package, model, exllama_v2.Plan("folder", 300, 1, "q8_0", paged=False))
    name, arguments = package.calls[-1]
    assert (name, arguments["lazy"], arguments["max_seq_len"]) == ("ExLlamaV2Cache_Q8", True, 512)
    settings = exllama_v2.new_settings(package, Sampling())
    assert (settings.token_repetition_penalty, settings.top_k) == (1.0, 1)


def test_the_seeded_mistake_fails() -> None:
    """A path where a configuration belongs."""
    package = Recorded("2")
    with pytest.raises(AttributeError, match="arch"):
        package.ExLlamaV2("/models/x")
    with pytest.raises(AttributeError):
        package.ExLlamaV2Tokenizer("/models/x")


def test_every_sampler_value_with_a_default_that_shapes_the_text_is_set() -> None:
    """None of the package's defaults is left to chance."""
    package = Recorded("2")
    exllama_v2.new_settings(package, Sampling(temperature=0.5, top_k=3))
    given_values = set(package.calls[-1][1])
    left = set(SIGNATURES["2"]["Settings"]) - given_values
    only_used_when_something_set_is_on = {
        "temp_exponent", "mirostat_tau", "mirostat_eta", "mirostat_mu", "token_bias", "cfg_scale", "post_sampling_hooks", "dry_allowed_length",
        "dry_base", "dry_sequence_breakers", "dry_range", "dry_max_ngram", "ngram_trie", "ngram_index", "ngram_history", "xtc_threshold",
        "xtc_ignore_tokens",
    }  # fmt: skip
    assert left <= only_used_when_something_set_is_on


def test_our_calls_bind_to_the_recorded_signatures_of_v3() -> None:
    """Caches in whole pages, quantised ones with their bits; samplers."""
    package = Recorded("3")
    package.CacheLayer_quant  # noqa: B018 - it exists
    exllama_v3.new_cache(package, object(), 300, "f16")
    assert package.calls[-1][1]["max_num_tokens"] == 512
    exllama_v3.new_sampler(package, Sampling(temperature=0.5))
    with pytest.raises(LoadFailed):
        exllama_v3.new_cache(package, object(), 300, "q5_1")


def test_quantisation_is_read_from_the_config(tmp_path: Path) -> None:
    """EXL2 with its bits, unquantised, unreadable."""
    (tmp_path / "config.json").write_text('{"quantization_config": {"quant_method": "exl2", "bits": 4.5}}')
    assert quantization(tmp_path) == "exl2 4.5 bpw"
    (tmp_path / "config.json").write_text("{}")
    assert quantization(tmp_path) == "fp16"
    (tmp_path / "config.json").write_text("no")
    assert quantization(tmp_path) is None


def test_the_trained_context_is_read_from_the_config(tmp_path: Path) -> None:
    """Unless the model's own configuration stretches it, or says nothing."""
    config = tmp_path / "config.json"
    for text, trained in (
        ('{"max_position_embeddings": 4096, "rope_scaling": null}', 4096),
        ('{"max_position_embeddings": 4096, "rope_scaling": {"type": "yarn", "factor": 4.0}}', None),
        ("{}", None),
        ("[]", None),
        ("no", None),
    ):
        config.write_text(text)
        assert trained_context(tmp_path) == trained


def test_all_ends_of_turn_are_found(tmp_path: Path) -> None:
    """Chat models name a second end in generation_config.json."""
    (tmp_path / "config.json").write_text('{"eos_token_id": 2}')
    (tmp_path / "generation_config.json").write_text('{"eos_token_id": [2, 128009]}')
    assert end_tokens(tmp_path) == [2, 128009]
    (tmp_path / "generation_config.json").write_text("[]")
    assert end_tokens(tmp_path) == [2]


def folder(path: Path, **config: Any) -> Path:
    """A model folder with this tokenizer configuration."""
    (path / "tokenizer_config.json").write_text(json.dumps(config))
    return path


def test_the_template_is_the_models_own(tmp_path: Path) -> None:
    """With its special tokens; the default among several; or the file beside it."""
    simple = "{{ bos_token }}{% for m in messages %}[{{ m.role }}]{{ m.content }}{{ eos_token }}{% endfor %}{% if add_generation_prompt %}>{% endif %}"
    made = ChatTemplate.of(folder(tmp_path, chat_template=simple, bos_token={"content": "<s>"}, eos_token="</s>"))
    assert made.render(HELLO) == "<s>[user]Hello</s>>"
    several = [{"name": "tool_use", "template": "no"}, {"name": "default", "template": simple}]
    assert ChatTemplate.of(folder(tmp_path, chat_template=several)).render(HELLO) == "[user]Hello>"
    (tmp_path / "chat_template.jinja").write_text("beside {{ messages[0].content }}")
    assert ChatTemplate.of(folder(tmp_path)).render(HELLO) == "beside Hello"


def test_a_base_model_has_no_template(tmp_path: Path) -> None:
    """It is refused with the reason, not given a made-up prompt."""
    with pytest.raises(MissingPiece, match="base model"):
        ChatTemplate.of(folder(tmp_path, bos_token="<s>"))
    (tmp_path / "tokenizer_config.json").write_text("{")
    with pytest.raises(BadModelFile):
        ChatTemplate.of(tmp_path)


@pytest.mark.parametrize(
    "hostile",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ messages.append({}) }}",
        "{{ cycler.__init__.__globals__.os.system('true') }}",
        "{% for i in range(10**9) %}x{% endfor %}",
        "{{ 'x' * 10**8 * 10 }}",
        "{{ raise_exception('roles must alternate') }}",
        "{{ missing.attribute }}",
        "{{ 1 / 0 }}",
        "{{ [0] * 10**9 }}",
        "{{ 10 ** 10 ** 10 }}",
        "{{ 'x'.ljust(10**9) }}",
        "{{ 'x' | center(10**9) }}",
        "{{ '%1000000000d' % 1 }}",
    ],
)
def test_a_hostile_template_is_stopped(hostile: str) -> None:
    """No reach into Python, no endless prompt; the model's own complaint is passed on."""
    with pytest.raises(BadRequest):
        ChatTemplate(hostile).render(HELLO)


def test_a_broken_template_is_a_bad_model() -> None:
    """Said when it is loaded."""
    with pytest.raises(BadModelFile):
        ChatTemplate("{% for %}")


@given(st.text(max_size=40))
def test_any_text_is_a_template_or_refused(source: str) -> None:
    """Nothing else escapes."""
    try:
        assert isinstance(ChatTemplate(source).render(HELLO), str)
    except (BadModelFile, BadRequest):
        return


def test_the_sandbox_renders_as_llama_cpp_does(demo_path: Path, engine_loop: LoopThread, llama: Any) -> None:
    """The same template and conversation give the same prompt in both engines, or they could not be compared."""
    source = read_gguf(demo_path).metadata["tokenizer.chat_template"]
    assert isinstance(source, str)
    messages = (Message("system", "Be brief."), Message("user", "Hé <b>\n{{ x }}"))
    ours = ChatTemplate(source, bos="<|im_start|>", eos="<|im_end|>").render(messages)

    async def theirs() -> str:
        running = llama.supervisor.running
        transport, key = httpx.AsyncHTTPTransport(uds=running.socket), {"Authorization": f"Bearer {running.key}"}
        body = {"messages": [{"role": m.role, "content": m.content} for m in messages]}
        async with httpx.AsyncClient(transport=transport, base_url="http://worker", headers=key) as client:
            return str((await client.post("/apply-template", json=body)).json()["prompt"])

    assert ours == engine_loop.run(theirs())
