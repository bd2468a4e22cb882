"""The routes of logs, asked of a real agent."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from monitor.api_models.logs import (
    LogContext,
    LogErrors,
    LogFacets,
    LogHistogram,
    LogPage,
    Record,
    RecordDetail,
    SavedSearch,
)
from monitor.client.client import Client, Refused
from tests.waiting import wait_until


def test_log_records_count_histogram_facets(api: Client, record: Record) -> None:
    """A record is found by text, level, source and expression; counts agree with each other."""
    assert record.level == "error"
    assert record.lines == 4
    for filters in (
        {"q": "NEEDLE"},
        {"q": "nee.le", "regex": True},
        {"q": "needle", "level": "error"},
        {"q": "needle", "source": record.source},
    ):
        assert [r.id for r in api.log_records(filters).records] == [record.id]
        assert api.log_count(filters).count == 1
        assert api.get(LogHistogram, "/v1/logs/histogram", filters).total == 1
        assert api.get(LogFacets, "/v1/logs/facets", filters).levels == {"error": 1}
    assert api.log_count({"q": "needle", "level": "fatal"}).count == 0


def test_patterns_count_records_and_changes_name_the_new(api: Client, record: Record) -> None:
    """A pattern of the store has its records, its level and its sources; a wrong range is a 400."""
    found = api.log_patterns({"source": record.source})
    needle = next(one for one in found.patterns if one.text == "needle failed")
    assert (needle.count, needle.errors, needle.level) == (1, 1, "error")
    assert [one.source for one in needle.sources] == [record.source]
    assert api.log_count({"query": f"pattern:{needle.number}", "source": record.source}).count == 1
    assert found.total == api.log_count({"source": record.source, "until": found.end}).count
    span = {"source": record.source, "since": found.start, "until": found.end}
    assert api.log_changes(span).after.records == found.total
    with pytest.raises(Refused, match="empty"):
        api.log_changes({"since": "2h"}, before="1h")


def test_log_pages_lead_on(api: Client, record: Record) -> None:
    """Cursors visit every record once, oldest first within a page."""
    seen: list[str] = []
    cursor = None
    while True:
        page = api.log_records({"source": record.source}, limit=1, before=cursor)
        seen = [r.id for r in page.records] + seen
        cursor = page.older
        if cursor is None or not page.records:
            break
    whole = api.log_records({"source": record.source}, limit=1000)
    assert seen == [r.id for r in whole.records]


def test_a_record_whole_and_its_neighbours(api: Client, record: Record) -> None:
    """A record has its original and its file; its neighbours come in file order."""
    whole = api.get(RecordDetail, f"/v1/logs/records/{record.id}")
    assert "ValueError: <script>alert(1)</script>" in whole.raw
    assert whole.path is not None
    around = api.get(LogContext, f"/v1/logs/records/{record.id}/context", {"before": 1, "after": 1}).records
    assert [r.message.split("\n")[0] for r in around] == ["it begins", "needle failed", "it ends"]


def test_log_sources_and_errors(api: Client, record: Record) -> None:
    """The followed file is a source, and its error is counted."""
    assert record.source in {s.source for s in api.log_sources().sources}
    assert api.get(LogErrors, "/v1/logs/errors").newest is not None


def test_wrong_filters_are_refused(api: Client) -> None:
    """A wrong filter is a 400 that names what is wrong."""
    for filters in ({"q": "((", "regex": True}, {"level": "loud"}, {"since": "yesterday-ish"}, {"run": "x"}):
        with pytest.raises(Refused) as caught:
            api.log_records(filters)
        assert caught.value.status == 400
        assert caught.value.message


def test_ingest_reports_what_it_read(api: Client, tmp_path: Path) -> None:
    """A file is read to its end; the job says how many lines, records and bytes; once more adds nothing."""
    path = tmp_path / "old.txt"
    path.write_text(
        "".join(f"2026-01-01 00:00:{i % 60:02d},000 INFO app: ingested line {i}\n" for i in range(1000)), "utf-8"
    )
    for _ in range(2):
        job = api.ingest([path])
        done = wait_until(lambda job=job: (s := api.ingest_job(job)).state != "running" and s)
        assert done.state == "done", done.error
        assert api.log_count({"q": "ingested line"}).count == 1000
    with pytest.raises(Refused) as caught:
        api.ingest_job("no-such-job")
    assert caught.value.status == 404


@pytest.mark.parametrize("body", [{"paths": []}, {"paths": ["relative.log"]}, {"paths": ["/no/such/file"]}, {}])
def test_wrong_ingests_are_refused(api: Client, body: dict[str, Any]) -> None:
    """Paths that cannot be read are a 400, not a job."""
    with pytest.raises(Refused) as caught:
        api.request("POST", "/v1/logs/ingest", body=body)
    assert caught.value.status == 400


def test_a_log_format_is_drafted_kept_used_and_forgotten(api: Client, running_agent: Any) -> None:
    """From three lines to records that are read by them, and back."""
    lines = [
        "20.03.2026 22:11:12 [7] oops | slow",
        "21.03.2026 09:12:13 [12] fine | better",
        "21.03.2026 09:12:14 [1] oops | x",
    ]
    drafted = api.request("POST", "/v1/logs/formats/try", body={"lines": lines}).json()
    assert [line["ts"][:10] for line in drafted["lines"]] == ["2026-03-20", "2026-03-21", "2026-03-21"]
    toml = r"""
pattern = '(?P<time>[0-9.]+ [0-9:]+) \[(?P<shard>\d+)\] (?P<level>\w+) \| (?P<message>.*)'
day_first = true
[levels]
oops = 'error'
fine = 'info'
"""
    tried = api.request("POST", "/v1/logs/formats/try", body={"lines": lines, "toml": toml}).json()
    assert [line["level"] for line in tried["lines"]] == ["error", "info", "error"]
    path = running_agent.logs_dir / "shop.own"
    kept = api.request("PUT", "/v1/logs/formats/shop", body={"toml": toml, "files": [str(path)]}).json()
    assert [(one["name"], one["files"]) for one in kept["formats"]] == [("shop", [str(path)])]
    path.write_text("\n".join(lines) + "\n")
    api.request("POST", "/v1/logs/ingest", body={"paths": [str(path)]})
    found = wait_until(
        lambda: (
            got
            if len(got := api.get(LogPage, "/v1/logs/records", {"source": "shop.own", "since": "1000d"}).records) == 3
            else None
        )
    )
    assert sorted((one.level, one.message) for one in found) == [("error", "slow"), ("error", "x"), ("info", "better")]
    with pytest.raises(Refused, match="regular expression"):
        api.request("PUT", "/v1/logs/formats/shop", body={"toml": "pattern = '('", "files": []})
    assert api.request("DELETE", "/v1/logs/formats/shop").json()["formats"] == []
    assert {s.key: s.value for s in api.settings().settings}["logs.formats"] == []


def test_a_search_is_saved_found_renamed_and_deleted(api: Client, record: Record, running_agent: Any) -> None:
    """A name belongs to one search, whatever its case; what is wrong is refused and changes nothing; a file that was broken by hand is told and kept."""
    needle = SavedSearch(name="The needle", query="needle", sources=[record.source], levels=["error"])
    assert api.save_search(needle).searches == [needle]
    found = api.saved_searches().searches[0].params()
    assert [one.id for one in api.log_records(found).records] == [record.id]
    other = SavedSearch(name="the NEEDLE", query="took>1s", case=True, process="4242")
    with pytest.raises(Refused, match="there is a search named The needle"):
        api.save_search(other)
    assert api.save_search(other, replace=True).searches == [other]
    assert other.params() == {"query": "took>1s", "case": 1, "pid": "4242"}
    api.save_search(SavedSearch(name="b", query="since:2h b"))
    with pytest.raises(Refused, match="there is a search named b"):
        api.save_search(other.model_copy(update={"name": "B"}), was="The Needle")
    renamed = other.model_copy(update={"name": "a/ü ?"})
    assert [one.name for one in api.save_search(renamed, was="The Needle").searches] == ["a/ü ?", "b"]
    for wrong, why in (
        ({"name": " b "}, "is no name"),
        ({"query": "level>=loud"}, "level"),
        ({"query": " "}, "nothing"),
    ):
        with pytest.raises(Refused, match=why):
            api.save_search(SavedSearch(name="c", query="c").model_copy(update=wrong))
    with pytest.raises(Refused, match="no saved search"):
        api.remove_search("c")
    assert [one.name for one in api.remove_search("A/ü ?").searches] == ["b"]
    path = Path(api.saved_searches().file)
    kept = path.read_text("utf-8")
    path.write_text(kept + '[[search]]\nname = "odd"\nquery = "level>=loud"\n', "utf-8")
    assert [len(api.saved_searches().searches), len(api.saved_searches().wrong)] == [1, 1]
    path.write_text("[[search", "utf-8")
    assert "not valid TOML" in api.saved_searches().wrong[0]
    with pytest.raises(Refused, match="not valid TOML"):
        api.save_search(needle)
    assert path.read_text("utf-8") == "[[search"
    path.write_text(kept, "utf-8")
    assert api.remove_search("b").searches == []


def test_a_query_is_checked_and_its_fields_are_known(api: Client, tmp_path: Path) -> None:
    """What is wrong in a query is told with its place; fields of records come with values that several of them have."""
    assert api.get_json("/v1/logs/query", {"query": "level>=warn a"})["problem"] is None
    problem = api.get_json("/v1/logs/query", {"query": "a level>=loud"})["problem"]
    for params in (None, {"zone": "UTC"}):  # a query that stands in the path is kept
        assert api.get_json("/v1/logs/query?query=a+level%3E%3Dloud", params)["problem"] == problem
    assert (problem["column"], problem["end"]) == (10, 14)
    assert problem["hint"]
    path = tmp_path / f"fields-{os.getpid()}.jsonl"
    lines = [
        {
            "time": f"2031-01-01T00:00:{i:02d}Z",
            "level": "warn",
            "msg": "m",
            "shade": ["red", "blue"][i % 2],
            "in": {"depth": i},
        }
        for i in range(40)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    job = api.ingest([path])
    wait_until(lambda: api.ingest_job(job).state == "done", "the file is read")
    fields = {one["name"]: one for one in api.get_json("/v1/logs/fields")["fields"]}
    assert sorted(fields["shade"]["values"]) == ["blue", "red"]
    assert fields["in.depth"]["count"] == 40
    assert api.log_count({"query": "shade=red in.depth>=20 level:warn"}).count == 10
    for query, unknown in (
        ("shade=red in.depth>3 level:warn -source:x", []),
        ("IN.depth:7", [("IN.depth", "in.depth")]),
        ("depth>3", [("depth", "in.depth")]),
        (
            "levl>=warn OR (shad=red AND NOT fields.dept=4 AND m)",
            [("levl", "level"), ("shad", "shade"), ("dept", "in.depth")],
        ),
        ("dept=4", [("dept", "in.depth")]),
        ("nowhere_near_it=7", [("nowhere_near_it", None)]),
        ("", []),
    ):
        found = [
            (one["name"], next(iter(one["nearest"]), None))
            for one in api.get_json("/v1/logs/nothing", {"query": query})["unknown"]
        ]
        assert found == unknown, query
    assert api.get_json("/v1/logs/query", {"query": "levl>=warn"}) == {"problem": None}
    newest = api.log_records({"query": "shade=red"}).records[-1]
    for filters, without in (
        ({"query": "shade=red", "until": "2030-12-31"}, ["range"]),
        ({"query": "shade=red until:2030-12-31"}, ["range"]),
        ({"query": "shade=red", "levels": "error,fatal"}, ["levels"]),
        ({"query": "shade=red", "pid": "1"}, ["process"]),
        ({"query": "shade=red", "source": "other"}, None),  # there is no such source
        ({"query": "shade=red", "levels": "error", "until": "2030-12-31"}, ["range", "levels"]),
    ):
        why = api.get_json("/v1/logs/nothing", filters)
        if without is None:
            assert (why["unknown"], why["newest"]) == ([{"name": "source=other", "nearest": []}], None)
        else:
            assert (why["unknown"], why["without"]) == ([], without), filters
            assert why["newest"] == {"id": newest.id, "ts": newest.ts}
    source = newest.source
    nearly = f"{source[:-1]}{'x' if source[-1] != 'x' else 'y'}"
    why = api.get_json("/v1/logs/nothing", {"query": f"source={nearly} OR shade=green"})
    assert [(one["name"], one["nearest"][:1]) for one in why["unknown"]] == [
        (f"source={nearly}", [source]),
        ("shade=green", []),
    ]
    assert [mark.text for mark in api.log_records({"query": "msg:m shade=red"}).marks] == ["m"]
