"""What may be compared, and what is said where it may not, or where it was measured too seldom."""

import pytest

from ai.benchmark import (
    compare_runs,
)
from ai.benchmark.samples.comparable import like_for_like
from ai.shapes.report import LoadRow
from tests.integration.ai.test_benchmark_run import PLAN, engine, run

_LOAD = LoadRow(
    model="m", cold_s=1, warm_s=0, context=4096, parallel=1, kv_type="f16", quantization="Q4_K_M", weights="gguf:abc", template="jinja:t", engine_version="1",
    device="cpu", prompt_tokens=100,
)  # fmt: skip


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"weights": "gguf:def"}, "weights"),
        ({"quantization": "Q8_0"}, "quantisation"),
        ({"context": 2048}, "context"),
        ({"kv_type": "q8_0"}, "cache type"),
        ({"template": "jinja:u"}, "chat template"),
        ({"prompt_tokens": 110}, "tokens"),
    ],
)
def test_unlike_set_ups_are_not_comparable(change: dict[str, object], said: str) -> None:
    """Each difference that matters is named in "not comparable because"."""
    likeness = like_for_like(_LOAD, _LOAD.model_copy(update=change))
    assert not likeness.comparable
    assert said in likeness.sentence()
    assert likeness.sentence().startswith("Not comparable because")


def test_what_is_not_known_is_neither_alike_nor_different() -> None:
    """An engine that does not tell its template is not called different, but the gap is named."""
    likeness = like_for_like(_LOAD, _LOAD.model_copy(update={"template": None}))
    assert likeness.comparable
    assert likeness.unknown == ("chat template",)
    assert like_for_like(_LOAD, _LOAD.model_copy(update={"quantization": "q4-k-m"})).comparable


def test_digests_of_two_schemes_say_nothing_of_each_other() -> None:
    """Ollama's digest of a model and ours of a file can never be equal, nor can its template in Go and the model's in Jinja: that is no difference."""
    other = _LOAD.model_copy(update={"weights": "ollama:abc", "template": "go:t", "quantization": None})
    likeness = like_for_like(_LOAD, other)
    assert likeness.comparable
    assert likeness.unknown == ("weights", "chat template", "quantisation")


def test_the_same_weights_have_the_same_quantisation() -> None:
    """What one engine does not tell of a file is known from the other."""
    assert like_for_like(_LOAD, _LOAD.model_copy(update={"quantization": None})).unknown == ()


def test_looks_with_too_few_pairs_leave_their_error_to_the_last_one() -> None:
    """Three of ten blocks are lost: the look before the last could have shown nothing, so that seven pairs are enough for a verdict."""
    limping = engine("limping", 2.0, on_paper=True, faults=dict.fromkeys(range(3, 9), "overloaded"))
    report = run([limping, engine("new", on_paper=True)])
    (comparison,) = report.comparisons
    assert (report.blocks, comparison.blocks) == (10, 7)
    assert comparison.kind == "faster"
    assert comparison.low is not None
    assert 1 < comparison.low < 2.1


def test_an_interval_without_end_is_none() -> None:
    """Of too few pairs nothing can be said: no bounds, in the report and in its sentence, of a comparison as of an engine with itself."""
    failing = engine("failing", 2.0, on_paper=True, faults=dict.fromkeys(range(3, 15), "overloaded"))
    report = run([failing, engine("new", on_paper=True)])
    (comparison,) = report.comparisons
    assert (comparison.kind, comparison.low, comparison.high) == ("not shown", 0.0, None)
    assert "4 of 10 blocks" in comparison.sentence
    assert {check.backend: check.high is None for check in report.self_checks} == {"failing": True, "new": False}
    assert not any(len(word) > 40 for word in report.sentence.split())


def test_a_comparison_of_runs_of_too_few_measurements_names_no_interval() -> None:
    """Nothing has changed that could be shown, and the sentence says why."""
    short = run([engine("old", on_paper=True), engine("new", on_paper=True)], PLAN.model_copy(update={"max_blocks": 1}))
    changes = compare_runs(short, short)
    assert changes
    assert not any(change.changed for change in changes)
    assert all("too few measurements" in change.sentence() for change in changes)
