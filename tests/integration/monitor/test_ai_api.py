"""The engines over the API of a real agent with the embedded model: one short benchmark, and everything that follows from it."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from monitor.agent.ai_runtime import THREADS
from monitor.api_models.ai import BenchmarkRequest, FullReport, JobAnalyses
from monitor.client.client import Client, Refused
from tests.doubles.alone import ALONE
from tests.waiting import wait_until

SHORT = BenchmarkRequest(depth="quick", budget_s=1, batches=[1], postings=0, max_tokens=4)


@pytest.fixture(scope="module")
def report(running_agent: Any) -> FullReport:
    """A short benchmark of the embedded model, whole; started once for all tests."""
    ai = running_agent.api.ai
    started = ai.start_benchmark(SHORT)
    with pytest.raises(Refused) as busy:
        ai.start_benchmark(SHORT)
    assert busy.value.status == 409
    ended = wait_until(lambda: (now := ai.benchmark()).state != "running" and now, "the benchmark ends", seconds=100)
    assert ended.state == "done", ended.error
    assert ended.id == started
    assert ended.first_figure_s is not None
    found: FullReport = ai.report(started)
    return found


def test_every_engine_is_told_with_its_remedy(api: Client) -> None:
    """The embedded engine is usable and predicted; those that are not here say what to do."""
    found = api.ai.backends()
    by_name = {b.name: b for b in found.backends}
    assert by_name["llamacpp"].usable
    assert by_name["llamacpp"].memory_predicted
    assert by_name["llamacpp"].capabilities is not None
    assert not by_name["exllamav2"].usable
    assert by_name["exllamav2"].remedy
    assert "llamacpp" in found.choice.sentence


def test_a_click_leads_to_a_verdict(report: FullReport) -> None:
    """The only engine is compared with other settings of itself, says so, and gives real figures."""
    assert report.state == "done"
    assert len(report.contenders) == 2
    assert all(not c.unusable for c in report.contenders)
    assert "only engine that can be used here" in report.notes[0]
    assert report.samples
    assert any(s.rate for s in report.samples)
    assert report.hypothesis.answer == "not tested"
    assert not report.hypothesis.sentence
    assert report.sentence


def test_settings_are_taken_over_only_when_they_won(api: Client, report: FullReport) -> None:
    """A benchmark without a verdict offers nothing; the way back is always there, and what is in use is told."""
    assert report.offer is None
    with pytest.raises(Refused) as refused:
        api.ai.use(report.id)
    assert refused.value.status == 409
    assert "--kind settings" in refused.value.hint
    assert api.ai.reset("llamacpp").benchmark is None
    with pytest.raises(Refused) as unknown:
        api.ai.reset("nothing")
    assert unknown.value.status == 404
    used = next(b for b in api.ai.backends().backends if b.name == "llamacpp").in_use
    assert used is not None
    assert "measured on this machine" in used.sentence


def test_the_history_keeps_it(api: Client, report: FullReport, running_agent: Any) -> None:
    """In the store with its measurements, and in the log; the same compared with itself shows no change."""
    assert report.id in [row.benchmark for row in api.ai.history().benchmarks]
    rows = api.query(f"SELECT count(*) FROM benchmark_samples WHERE benchmark = '{report.id}'").rows
    assert rows[0][0] == len(report.samples)
    lines = (running_agent.data_dir / "ai_backend_benchmark.log").read_text("utf-8").splitlines()
    assert report.id in {json.loads(line)["id"] for line in lines}
    assert not any(change.changed for change in api.ai.compare(report.id, report.id).changes)


def test_it_is_exported(api: Client, report: FullReport) -> None:
    """JSON that reads back, CSV with a line a measurement, one HTML file that asks for nothing."""
    assert json.loads(api.ai.export(report.id, "json"))["id"] == report.id
    assert len(api.ai.export(report.id, "csv").decode().splitlines()) == len(report.samples) + 1
    page = api.ai.export(report.id, "html").decode()
    assert "<html" in page
    assert "src=" not in page


def test_what_is_not_there_is_said(api: Client) -> None:
    """Unknown benchmarks, models and formats."""
    for ask in (lambda: api.ai.report("nothing"), lambda: api.ai.replay("nothing"), lambda: api.ai.compare("a", "b")):
        with pytest.raises(Refused) as refused:
            ask()
        assert refused.value.status == 404
    with pytest.raises(Refused) as refused:
        api.ai.fit("no-such-model")
    assert refused.value.status == 400
    assert refused.value.hint
    with pytest.raises(Refused) as refused:
        api.request("POST", "/v1/ai/benchmark", body={"depth": "endless"})
    assert refused.value.status == 400
    assert not api.ai.cancel_benchmark()


def test_a_plan_of_memory(api: Client) -> None:
    """The model in use by default; what does not fit comes with a remedy."""
    plan = api.ai.fit()
    assert plan.fits
    assert plan.total == plan.weights + plan.cache + plan.compute + plan.overhead
    big = api.ai.fit(context=1_000_000, parallel=4000)
    assert not big.fits
    assert big.remedy


def test_opinions_need_records(api: Client) -> None:
    """Neither records nor a time is wrong; unknown records are not there."""
    with pytest.raises(Refused) as refused:
        api.request("POST", "/v1/ai/explain", body={})
    assert refused.value.status == 400
    with pytest.raises(Refused) as refused:
        api.request("POST", "/v1/ai/explain", body={"records": ["123:456"]})
    assert refused.value.status == 404


def test_an_analysis_always_answers_and_is_counted(
    make_agent: Any, report: FullReport, running_agent: Any, tmp_path: Path
) -> None:
    """With hardly any time for an engine, rules answer; the tries stand among the calls; the agent's end takes its workers."""
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    shutil.copy(running_agent.data_dir / THREADS, data)  # what was measured for this model here
    agent = make_agent(f"{ALONE}[ai]\nanswer_s = 1\n", data_dir=data)
    api = agent.api
    found = api.ai.analyze("Senior Python Developer at Acme GmbH, Berlin. Salary 70,000 to 85,000 EUR per year.")
    assert found.model_dump()["salary"]["maximum"] == 85_000
    assert found.backend in {"rules", "llamacpp"}
    assert found.provenance.attempts
    calls = wait_until(lambda: (c := api.ai.calls()).calls and c, "the call is in the store")
    assert calls.calls[0].backend == "llamacpp"
    assert calls.requests == 1
    begun = api.ai.follow_analysis("Nurse at Acme GmbH, Berlin. Salary 70,000 EUR per year.")
    assert (begun.state, begun.asked, begun.rules.backend, begun.result) == ("asking", "llamacpp", "rules", None)
    assert begun.best().title == "Nurse"
    over = wait_until(lambda: (a := api.ai.analysis(begun.id)).state != "asking" and a, "an engine was asked")
    assert (over.state, over.best()) == ("done", over.result)
    assert not api.ai.cancel_analysis(begun.id)
    with pytest.raises(Refused, match="no analysis"):
        api.ai.analysis("gone")
    wanted = {"texts": ["Nurse in Rome", ""], "concurrency": 2}
    many = JobAnalyses.model_validate_json(api.request("POST", "/v1/ai/analyze", body=wanted, timeout_s=60).content)
    assert len(many.results) == 2
    assert api.ai.policy().chosen == "llamacpp"
    assert agent.stop() == 0
