"""What servers were started with is read from their arguments, and a report says in one sentence which settings differ."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai.backends.ollama.running import ModelSettings, model_settings, settings_of
from ai.benchmark.reporting.settings import what_differs, what_yielded
from ai.discovery.signatures import Started, started
from ai.discovery.signatures import settings_of as process_settings
from ai.shapes.report import LoadRow

LOAD = LoadRow(model="m")
VALUES = {
    "threads": (1, 2), "context": (4096, 8192), "parallel": (1, 4), "kv_type": ("f16", "q8_0"), "flash_attention": (True, False), "gpu_layers": (0, 99),
}  # fmt: skip

NAMES = {
    "threads": "threads", "context": "tokens of context", "parallel": "requests at the same time", "kv_type": "cache type",
    "flash_attention": "flash attention", "gpu_layers": "layers on the GPU",
}  # fmt: skip


@given(st.sets(st.sampled_from(sorted(VALUES))), st.sets(st.sampled_from(sorted(VALUES))))
def test_what_is_known_of_both_and_differs_stands_in_one_sentence(differ: set[str], unknown: set[str]) -> None:
    """What is alike, or known of one alone, does not."""
    mine = LOAD.model_copy(update={key: VALUES[key][0] for key in VALUES})
    theirs = mine.model_copy(update={key: VALUES[key][1] for key in differ} | dict.fromkeys(unknown))
    said = what_differs({"a": mine, "b": theirs})
    assert said.count(".") == (1 if differ - unknown else 0)
    for key, words in NAMES.items():
        assert (f" {words}: " in said) == (key in differ - unknown)


def test_what_a_server_takes_by_default_is_called_so() -> None:
    """And is no difference where it is the same number."""
    usual = LOAD.model_copy(update={"usual_threads": 2})
    assert what_differs({"a": LOAD.model_copy(update={"threads": 2}), "b": usual}) == ""
    said = what_differs({"a": LOAD.model_copy(update={"threads": 1}), "b": usual})
    assert said == "Their settings differ: threads: 1 (a), 2 by default (b)."


def test_a_number_of_threads_that_followed_the_load_is_told_as_it_was() -> None:
    """As a range where settings differ, and in a sentence of its own; not where all of them generated throughout."""
    two = LOAD.model_copy(update={"threads": 2, "yields": True})
    less, all_of_them = two.model_copy(update={"fewest_threads": 1}), two.model_copy(update={"fewest_threads": 2})
    assert what_differs({"a": less, "b": two}) == "Their settings differ: threads: 1 to 2 (a), 2 (b)."
    assert what_yielded({"a": less, "b": two, "c": all_of_them}) == [
        "a generated with 1 to 2 threads: it leaves cores to other programs that use them."
    ]


@pytest.mark.parametrize(
    ("command", "environ", "found"),
    [
        ("llama-server -m x.gguf -t 3 -tb 4 -np 2 -ctk q8_0 -fa on -ngl 20", {}, Started(3, 4, 2, "q8_0", flash_attention=True, gpu_layers=20)),
        ("llama-server -m x.gguf -fa auto -ngl -1 -np -1", {"LLAMA_ARG_THREADS": "6"}, Started(threads=6)),
        ("llama-server -m x.gguf --threads=2 --flash-attn -ngl 0", {"LLAMA_ARG_THREADS": "6"}, Started(threads=2, flash_attention=True, gpu_layers=0)),
        ("python -m llama_cpp.server --model x.gguf --n_threads 5 --flash_attn False", {}, Started(threads=5, flash_attention=False)),
        ("koboldcpp --model x.gguf --threads 4 --gpulayers 10 --flashattention", {}, Started(threads=4, flash_attention=True, gpu_layers=10)),
        ("vllm serve m --max-num-seqs 8 --kv-cache-dtype auto", {}, Started(parallel=8)),
        ("llama-server -t many -np 0 -ngl all", {}, Started()), ("llama-server", {}, Started()),
    ],
)  # fmt: skip
def test_settings_of_servers_are_read_as_they_write_them(command: str, environ: dict[str, str], found: Started) -> None:
    """Arguments before the environment; what leaves the choice to the server says nothing."""
    assert started(process_settings(command.split(), environ)) == found


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ('num_ctx                        8192\nnum_thread                     4\nstop    "<|im_end|>"', ModelSettings(threads=4)),
        ("num_gpu 0\nnum_thread 0", ModelSettings(gpu_layers=0)), ("num_thread four\nnum_gpu -1", ModelSettings()), ("", ModelSettings()), (None, ModelSettings()),
        ({"num_thread": 4}, ModelSettings()),
    ],
)  # fmt: skip
def test_settings_of_a_model_of_ollama(said: object, found: ModelSettings) -> None:
    """As `/api/show` writes them: a line each."""
    assert model_settings(said) == found


@pytest.mark.parametrize(("said", "on"), [("1", True), ("true", True), ("0", False), ("FALSE", False), ("", None)])
def test_ollamas_flash_attention(said: str, *, on: bool | None) -> None:
    """Its environment may switch it on or off, or say nothing."""
    assert settings_of({"OLLAMA_FLASH_ATTENTION": said} if said else {}).flash_attention is on
