"""Questions to a model over the API of a real agent with the embedded model: begun, followed, cancelled, refused."""

import time
from typing import Any

import pytest

from monitor.api_models.ai import ExplainRequest, OpinionState
from monitor.api_models.logs import RecordDetail
from monitor.client.client import Client, Refused
from tests.examples import sizes
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def source(running_agent: Any) -> str:
    """A log of eighty records in the store."""
    name = f"opinions{time.monotonic_ns()}"
    with (running_agent.logs_dir / f"{name}.log").open("w", encoding="utf-8") as log:
        for i in range(80):
            at = time.strftime("%Y-%m-%d %H:%M:%S")
            log.write(f"{at},{i:03d} {'ERROR' if i % 10 == 3 else 'INFO'} worker: upload {i} of batch 7\n")
    wait_until(lambda: running_agent.api.log_count({"source": name}).count == 80, "the records are in the store")
    return name


def ended(api: Client, question: str) -> OpinionState:
    """The question once it is over."""
    found: OpinionState = wait_until(
        lambda: (now := api.ai.opinion(question)).state != "running" and now, "the question is over", seconds=110
    )
    return found


@pytest.mark.parametrize("whole", sizes(short=False, full=True))
def test_a_range_is_explained_from_readings_processes_and_records(api: Client, source: str, whole: bool) -> None:  # noqa: FBT001
    """What was measured stands there while the model is asked, with processes that exist; its answer cites only what it was given."""
    enough = "SELECT count(DISTINCT ts) >= 5 FROM run_samples"
    wait_until(lambda: api.query(enough).rows[0][0], "some sweeps of all processes are in the store", seconds=60)
    asked = api.ai.ask_opinion(ExplainRequest(since="2m", readings=True))
    state = wait_until(lambda: (now := api.ai.opinion(asked)).measured and now, "the range is read", seconds=20)
    kinds = {one.kind for one in state.measured}
    assert {"process", "reading"} <= kinds
    for one in state.measured:
        if one.kind == "process":
            assert api.run(one.id.removeprefix("run:")).pid
    assert state.span is not None
    if not whole:
        assert api.ai.cancel_opinion(asked)
        return
    state = ended(api, asked)
    assert state.state == "done", state.error
    assert state.opinion is not None
    known = {one.id for one in state.measured}
    for cited in state.opinion.citations:
        assert cited.id in known or api.get(RecordDetail, f"/v1/logs/records/{cited.id}").id == cited.id
    assert [one.id for one in state.opinion.citations] == state.opinion.cited


def test_a_question_is_followed_and_cancelled(api: Client, source: str) -> None:
    """It says how many records of how many it reads; cancelling ends it at once, and once only; more than three at a time are refused."""
    asked = [api.ai.ask_opinion(ExplainRequest(filters={"source": source})) for _ in range(3)]
    with pytest.raises(Refused) as busy:
        api.ai.ask_opinion(ExplainRequest(filters={"source": source}))
    assert busy.value.status == 409
    assert busy.value.hint
    state = wait_until(
        lambda: (now := api.ai.opinion(asked[0])).phase == "answering" and now, "the records are read", seconds=20
    )
    assert (state.records, state.matched, state.state) == (60, 80, "running")
    assert [api.ai.cancel_opinion(one) for one in asked] == [True] * 3
    assert [api.ai.opinion(one).state for one in asked] == ["cancelled"] * 3
    assert not api.ai.cancel_opinion(asked[0])
    again = api.ai.ask_opinion(ExplainRequest(filters={"source": source, "levels": "error"}))
    assert api.ai.cancel_opinion(again)


def test_what_cannot_be_asked_is_told(api: Client) -> None:
    """No subject, a wrong filter, a time that ends before it begins, an unknown question: refused at once; an unknown record: the question fails."""
    for wanted, status in (
        (ExplainRequest(), 400),
        (ExplainRequest(filters={"q": "(", "regex": 1}), 400),
        (ExplainRequest(since="2m", until="5m", readings=True), 400),
        (ExplainRequest(readings=True), 400),
    ):
        with pytest.raises(Refused) as refused:
            api.ai.ask_opinion(wanted)
        assert refused.value.status == status
    with pytest.raises(Refused) as refused:
        api.ai.opinion("nothing")
    assert refused.value.status == 404
    assert not api.ai.cancel_opinion("nothing")
    state = ended(api, api.ai.ask_opinion(ExplainRequest(records=["123:456"])))
    assert state.state == "failed"
    assert state.error is not None
    assert "there is no record" in state.error.message


def test_a_record_goes_with_its_neighbours(api: Client, source: str) -> None:
    """Eight on either side in the same file, the record itself among them."""
    page = api.log_records({"source": source}, limit=40)
    asked = api.ai.ask_opinion(ExplainRequest(records=[page.records[10].id], around=8))
    state = wait_until(lambda: (now := api.ai.opinion(asked)).records and now, "the records are read", seconds=20)
    assert state.records == 17
    assert api.ai.cancel_opinion(asked)
