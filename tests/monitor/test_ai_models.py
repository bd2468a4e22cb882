"""The API's shapes against those of `ai` that they tell of: the pages may not import `ai`, and so cannot share the classes."""

from dataclasses import fields, is_dataclass
from typing import Any, get_type_hints

import pytest

from ai import types
from ai.analysis import facts, schema
from ai.analysis.explain import Explanation
from ai.benchmark import model
from monitor import ai_models
from monitor.models import EngineModel


def _names(shape: Any) -> set[str]:
    return {f.name for f in fields(shape)} if is_dataclass(shape) else set(shape.model_fields)


@pytest.mark.parametrize(
    ("told", "source"),
    [
        (ai_models.Metric, model.Metric), (ai_models.Batch, model.BatchRow), (ai_models.Load, model.LoadRow), (ai_models.Quality, model.QualityRow),
        (ai_models.Contender, model.ContenderReport), (ai_models.Comparison, model.Comparison), (ai_models.SelfCheck, model.SelfCheck),
        (ai_models.Sample, model.SampleRow), (ai_models.Capabilities, types.Capabilities), (ai_models.Amount, types.Figure),
        (ai_models.Memory, types.MemoryReport), (EngineModel, types.EngineModel), (ai_models.Evidence, schema.Evidence), (ai_models.Fact, facts.Fact),
    ],
)  # fmt: skip
def test_every_field_told_is_one_of_the_source(told: Any, source: Any) -> None:
    """A field that is renamed or taken away where it comes from cannot stay behind in the API as an empty one; null may be told besides."""
    assert _names(told) <= _names(source)
    kinds, sources = get_type_hints(told), get_type_hints(source)
    plain = {bool, int, float, str, int | None, float | None, str | None}
    assert {
        n: kinds[n] for n in _names(told) if sources[n] in plain and kinds[n] not in {sources[n], sources[n] | None}
    } == {}


def test_what_is_added_to_a_source_is_told_or_added_to() -> None:
    """A report and an opinion are told whole; what the API adds to them is named here."""
    assert _names(ai_models.BenchmarkReport) - _names(model.BenchmarkReport) == {"hypothesis", "offer"}
    assert _names(model.BenchmarkReport) - _names(ai_models.BenchmarkReport) == {"version", "manifest_sha256"}
    assert _names(ai_models.Opinion) - _names(Explanation) == {"matched", "records", "citations"}
    assert _names(Explanation) <= _names(ai_models.Opinion)
