"""The command line, as a person and as a program use it."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.command_line import answer, wk
from tests.waiting import patient, wait_until

ROOT = Path(__file__).resolve().parents[3]


def test_status(running_agent: Any) -> None:
    """`status --json` has what scripts need; without it, words."""
    status = answer("status", data_dir=running_agent.data_dir)
    assert status["agent"]["pid"] == running_agent.pid
    assert status["sampler"]["pid"] > 0
    assert status["dashboard"] == {"pid": None, "url": None}
    assert Path(status["socket"]).exists()
    assert status["data_dir"] == str(running_agent.data_dir)
    assert status["samples"]["expected"] >= status["samples"]["received"] >= 1
    words = wk("status", data_dir=running_agent.data_dir).stdout
    assert "healthy" in words
    assert "\x1b" not in words


def test_without_an_agent_it_says_how_to_start_one(tmp_path: Path) -> None:
    """Commands that need the watch end with 3, an error and a hint; in JSON with --json."""
    for command in (["status"], ["logs", "search", "x"], ["query", "SELECT 1"], ["down"], ["logs", "sources"]):
        done = wk(*command, data_dir=tmp_path / "d")
        assert done.returncode == 3, (command, done.stderr)
        assert done.stdout == ""
        assert done.stderr.startswith("error: no agent answers")
        assert "hint: start one with `watchkeeper`" in done.stderr
    error = json.loads(wk("status", "--json", data_dir=tmp_path / "d").stderr)["error"]
    assert error["kind"] == "AgentUnreachable"
    assert error["hint"]


def test_wrong_use_ends_with_2(tmp_path: Path) -> None:
    """A wrong option, order or value is an error with a hint, never a traceback."""
    for command in (
        ["--nope"],
        ["--port", "8600", "status"],
        ["--host", "no host", "up"],
        ["ps", "--sort", "colour"],
        ["settings", "get", "store.limit"],
        ["logs", "parse", tmp_path / "none"],
        ["logs", "search", "-heartbeat"],
    ):
        done = wk(*command, data_dir=tmp_path / "d")
        assert done.returncode == 2, (command, done.stderr)
        assert done.stderr.startswith("error: ")
        assert "hint: " in done.stderr
        assert ("`watchkeeper logs search -- -WORD`" in done.stderr) == (command[-1] == "-heartbeat")
        assert "Traceback" not in done.stderr


def test_a_group_that_can_list_does_so_without_a_command(running_agent: Any) -> None:
    """With the options that are given, as `list` has them; its own help stays its own; a wrong word is refused as ever."""
    for group, name in (("alerts", "alerts"), ("service", "services")):
        assert answer(group, data_dir=running_agent.data_dir) == answer(group, "list", data_dir=running_agent.data_dir)
        assert name in answer(group, data_dir=running_agent.data_dir)
        assert "Commands:" in wk(group, "--help", data_dir=running_agent.data_dir).stdout
        for wrong in ("--nosuch", "nosuch"):
            assert wk(group, wrong, data_dir=running_agent.data_dir).returncode == 2
    assert wk("alerts", "--firing", data_dir=running_agent.data_dir).stdout == "No alert fires.\n"
    assert '"module": "' in wk("track", "--json", data_dir=running_agent.data_dir).stdout


def test_run_show_tells_the_connections_of_a_running_process(running_agent: Any) -> None:
    """Its listening port and both ends of its connection, in words and as JSON."""
    script = (
        "import socket, sys, time; s = socket.create_server(('127.0.0.1', 0)); c = socket.create_connection(s.getsockname());"
        "print(s.getsockname()[1], flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", script, "listener"], stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            port = f"127.0.0.1:{child.stdout.readline().strip()}"
            wait_until(lambda: answer("ps", str(child.pid), data_dir=running_agent.data_dir)["processes"], "it is seen")
            told = answer("run", "show", str(child.pid), data_dir=running_agent.data_dir)
            assert [one["pid"] for one in (told["parent"], *told["ancestors"])][:2] == [os.getpid(), os.getppid()]
            found = told["connections"]
            assert [one["local"] for one in found["listening"]] == [port]
            assert [(one["remote"], one["state"]) for one in found["connections"]] == [(port, "established")]
            assert (found["note"], found["total"]) == (None, 2)
            shown = wk("run", "show", str(child.pid), data_dir=running_agent.data_dir).stdout
            assert f"tcp {port}" in shown
            assert f"{port} from 127.0.0.1:" in shown
        finally:
            child.kill()


def test_logs_ingest_search_count_sources(running_agent: Any, tmp_path: Path) -> None:
    """A file read in is found again, by text, expression and level."""
    path = tmp_path / "cli.log"
    path.write_text(
        "".join(
            f"2026-02-03 04:05:{i % 60:02d},000 {'ERROR' if i % 4 == 0 else 'INFO'} m: climark {i}\n" for i in range(40)
        ),
        "utf-8",
    )
    data = running_agent.data_dir
    done = answer("logs", "ingest", path, data_dir=data)
    assert (done["lines"], done["records"], done["added"], done["bytes"]) == (40, 40, 40, path.stat().st_size)
    assert done["seconds"] >= 0
    assert answer("logs", "search", "climark", "--count", data_dir=data) == {"count": 40}
    assert answer("logs", "search", "climark", "--level", "error", "--count", data_dir=data) == {"count": 10}
    assert answer("logs", "search", "CLIMARK [12]$", "--regex", "--count", data_dir=data) == {"count": 0}
    assert answer("logs", "search", "climark [12]$", "--regex", "--count", data_dir=data) == {"count": 2}
    assert answer("logs", "search", "ERROR m: climark", "--raw", "--count", data_dir=data) == {"count": 10}
    assert answer("logs", "search", "m: ERROR climark", "--raw", "--count", data_dir=data) == {"count": 10}
    assert answer("logs", "search", "m: ERROR climark", "--raw", "--text", "--count", data_dir=data) == {"count": 0}
    query = "level:error,info (climark OR nothing) -/climark [0-9]$/ source:cli since:2020-01-01"
    assert answer("logs", "search", query, "--count", data_dir=data) == {"count": 30}
    assert answer("logs", "search", "climark", "NOT", "level>=error", "--count", data_dir=data) == {"count": 30}
    assert "no pattern before it is stored" in wk("logs", "tail", "-f", "NOT pattern:3", data_dir=data).stderr
    nothing = wk("logs", "search", "climark source:elsewhere", data_dir=data)
    assert (nothing.returncode, nothing.stdout) == (0, "")
    assert "No stored record matches." in nothing.stderr
    assert "Did you mean" not in nothing.stderr
    assert "No record has levl. Did you mean level?" in wk("logs", "search", "levl>=warn", data_dir=data).stderr
    wrong = wk("logs", "search", "climark (a", data_dir=data)
    assert wrong.returncode == 2
    assert wrong.stderr.splitlines()[1:3] == ["  climark (a", "          ^"]
    lines = wk("logs", "search", "climark", "--limit", "3", "--json", data_dir=data).stdout.splitlines()
    assert [json.loads(line)["message"] for line in lines] == ["climark 37", "climark 38", "climark 39"]
    assert any((s["path"] or "").endswith("cli.log") for s in answer("logs", "sources", data_dir=data)["sources"])
    assert "missed" not in wk("logs", "sources", data_dir=data).stdout
    (huge := tmp_path / "huge.log").write_text("x" * (3 << 20) + "\n")
    wk("logs", "ingest", str(huge), data_dir=data)
    assert "2.0 MiB records too long" in wk("logs", "sources", data_dir=data).stdout
    assert wk("logs", "ingest", path, data_dir=data).stdout.startswith(
        "40 lines, 40 records, none of them new, 1.7 KiB"
    )
    record = {
        "time": "2026-02-03T04:05:06Z",
        "level": "error",
        "msg": "clijson failed",
        "job": 7,
        "exc": "Traceback:\n  KeyError: 1",
    }
    path.with_suffix(".jsonl").write_text(f"{json.dumps(record)}\n" * 2)
    wk("logs", "ingest", path.with_suffix(".jsonl"), data_dir=data)
    shown = wk("logs", "search", "clijson", "--limit", "1", data_dir=data).stdout
    assert shown.endswith(": clijson failed job=7\nTraceback:\n  KeyError: 1\n"), "with its fields, and its stack below"
    assert answer("logs", "search", "clijson", "--limit", "1", data_dir=data)["fields"]["job"] == 7


def test_a_search_is_saved_used_renamed_and_deleted(running_agent: Any, tmp_path: Path) -> None:
    """Its words, level and sources; what is written beside its name narrows it; a wrong name is told the one that was meant."""
    data, file = running_agent.data_dir, tmp_path / "kept.log"
    file.write_text(
        "".join(f"2026-01-02 03:04:{i:02d} {'ERROR' if i % 4 == 0 else 'INFO'} m: keptword {i}\n" for i in range(40))
    )
    assert wk("logs", "ingest", file, data_dir=data).returncode == 0

    def found(*words: str) -> int:
        count: int = answer("logs", "search", *words, "--count", data_dir=data)["count"]
        return count

    assert found("keptword OR nosuchword", "--level", "error", "--save-as", "Bad ones") == 10
    assert [one["name"] for one in answer("logs", "saved", data_dir=data)] == ["Bad ones"]
    assert found("--saved", "bad ones") == 10
    assert found("/[12]$/", "--saved", "Bad ones") == found("(keptword) level>=error /[12]$/") == 2
    assert found("--saved", "Bad ones", "--since", "2026-01-02 03:04:20") == 5
    for words, hint in (
        (["--saved", "bed ones"], "did you mean 'Bad ones'?"),
        (["--saved", "nothing of the kind"], "`watchkeeper logs saved` lists them"),
        (["x", "--saved", "Bad ones", "--save-as", "y"], "--rename"),
        (["x", "--save-as", "bad ONES"], "choose another name"),
        (["x", "--text", "--save-as", "y"], "in the query instead"),
    ):
        done = wk("logs", "search", *words, data_dir=data)
        assert (done.returncode, hint in done.stderr) == (2, True), done.stderr
    assert "Worse" in wk("logs", "saved", "--rename", "bad ones", "Worse", data_dir=data).stdout
    assert wk("logs", "saved", "--delete", "Bad ones", data_dir=data).returncode != 0
    assert answer("logs", "saved", "--delete", "worse", data_dir=data) == []


def test_a_time_without_a_zone_is_of_the_zone_of_who_asks(
    running_agent: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--since` and what is printed are of one zone, the caller's, whatever zone the agent lives in; `date +%s` is taken too."""
    path = tmp_path / "zoned.log"
    path.write_text("2026-02-03T04:00:00Z INFO m: zoned 1\n2026-02-03T05:00:00Z INFO m: zoned 2\n", "utf-8")
    data = running_agent.data_dir
    answer("logs", "ingest", path, data_dir=data)
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    for since, count in (
        ("2026-02-03T13:30", 1),
        ("2026-02-03 13:30", 1),
        ("2026-02-03T14:30", 0),
        ("2026-02-03T04:30Z", 1),
        ("1770092999", 1),
        ("1770096001000", 0),
    ):
        assert answer("logs", "search", "zoned", "--since", since, "--count", data_dir=data) == {"count": count}, since
    assert "2026-02-03 14:00:00" in wk("logs", "search", "zoned 2", data_dir=data).stdout


def test_a_group_without_a_command_shows_its_help(tmp_path: Path) -> None:
    """`watchkeeper logs` alone lists what there is, readably, as wrong use."""
    for group in ("logs", "ai"):
        done = wk(group, data_dir=tmp_path)
        assert done.returncode == 2
        assert done.stderr.startswith(f"Usage: watchkeeper {group}")
        assert "\\n" not in done.stderr


def test_logs_ingest_of_no_file(running_agent: Any, tmp_path: Path) -> None:
    """A path that is no file is refused before anything is read."""
    assert wk("logs", "ingest", tmp_path / "none.log", data_dir=running_agent.data_dir).returncode == 2


def test_logs_parse_needs_no_agent(tmp_path: Path) -> None:
    """One JSON object a record; a traceback is one record."""
    path = tmp_path / "p.log"
    path.write_text(
        '2026-02-03 04:05:06,000 ERROR m: bad\nTraceback (most recent call last):\n  File "x", line 1, in f\nValueError: x\n'
        '{"ts": "2026-02-03T04:05:07Z", "level": "info", "msg": "json"}\n',
        "utf-8",
    )
    done = wk("logs", "parse", path, data_dir=tmp_path / "d")
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert [r["line_no"] for r in records] == [1, 5]
    assert [r["level"] for r in records] == ["error", "info"]
    assert {"line_no", "ts", "level", "format", "pid", "body"} <= set(records[0])


def test_a_log_format_is_learned_from_a_file_and_used(tmp_path: Path) -> None:
    """From the first lines of a file to a format that reads it: no agent is needed."""
    path, data = tmp_path / "shop.log", tmp_path / "d"
    path.write_text("node07 2026/3/20 22:11:12 <WARN> slow\nnode11 2026/3/9 2:11:12 <ERR> stuck\n")
    assert "No formats of your own" in wk("logs", "formats", data_dir=data).stdout
    drafted = wk("logs", "formats", "--learn", path, data_dir=data)
    assert drafted.returncode == 0, drafted.stderr
    (data / "formats").mkdir(parents=True)
    (data / "formats" / "shop.toml").write_text(drafted.stdout, "utf-8")
    (listed,) = answer("logs", "formats", data_dir=data)["formats"]
    assert (listed["name"], listed["samples"], listed["wrong"]) == ("shop", 2, [])
    tested = answer("logs", "formats", "--test", "node3 2026/3/9 2:11:12 <FATAL> gone", data_dir=data)["formats"]
    assert (tested[0]["format"], tested[0]["level"], tested[0]["message"]) == ("shop", "fatal", "gone")
    done = wk("logs", "parse", path, "--format", "shop", data_dir=data)
    assert [json.loads(line)["level"] for line in done.stdout.splitlines()] == ["warn", "error"]
    (data / "formats" / "bad.toml").write_text("pattern = '('", "utf-8")
    assert "bad.toml: the pattern is no regular expression" in wk("logs", "formats", data_dir=data).stdout
    (learned,) = answer("logs", "formats", "--test", "[26 Nov 2026 07:02] <warn> {db} slow", data_dir=data)["formats"]
    assert (learned["format"], learned["level"], learned["message"]) == ("learned", "warn", "{db} slow")
    assert answer("logs", "formats", "--test", "slow today", data_dir=data)["formats"] == []
    assert "give one of them" in wk("logs", "formats", "--test", "x", "--learn", path, data_dir=data).stderr


def test_logs_parse_reads_a_pipe_and_masks_secrets(tmp_path: Path) -> None:
    """`-` is standard input, whatever it is; secrets, also by a pattern of one's own, are masked as in the store."""
    config = tmp_path / "w.toml"
    config.write_text("[masking]\nextra = ['badge (?P<secret>\\d+)']\n", "utf-8")
    lines = "2026-11-01 10:00:00 INFO [app] login password=hunter2 badge 4711\n2026-11-01 10:00:01 INFO [app] plain\n"
    environ = {**os.environ, "WATCHKEEPER_CONFIG": str(config)}
    command = [sys.executable, "-m", "monitor", "logs", "parse", "-"]
    done = subprocess.run(
        command, input=lines, cwd=ROOT, env=environ, capture_output=True, text=True, check=False, timeout=patient(60)
    )
    assert done.returncode == 0, done.stderr
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert [record["line_no"] for record in records] == [1, 2]
    assert records[0]["body"].endswith("login password=*** badge ***")


def test_logs_patterns_count_every_record_and_mask_secrets(tmp_path: Path) -> None:
    """As a table, as JSON, and line by line: the counts add up, each line leads to its pattern, and no secret is shown."""
    path = tmp_path / "app.log"
    path.write_text(
        "".join(f"2026-11-01 10:00:{n:02d} ERROR [app] login {n} password=hunter2 failed\n" for n in range(7))
        + "2026-11-01 10:01:00 INFO [app] ready\n",
        "utf-8",
    )
    found = answer("logs", "patterns", path, data_dir=tmp_path / "d")
    assert (found["records"], found["patterns"]) == (8, 2)
    first, second = found["shown"]
    assert (first["count"], first["errors"], second["template"]) == (7, 7, "ready")
    assert first["template"].startswith("login <*> password=")
    done = wk("logs", "patterns", path, "--lines", data_dir=tmp_path / "d")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["line_no"] for line in lines] == list(range(1, 9))
    assert [line["template_id"] for line in lines] == [first["template_id"]] * 7 + [second["template_id"]]
    table = wk("logs", "patterns", path, "--limit", "1", data_dir=tmp_path / "d").stdout
    assert "8 records, 2 patterns" in table
    assert re.search(r"^ +7 +87.5 % +7 +\d{4}-\d\d-\d\d \d\d:\d\d  login", table, re.MULTILINE)
    assert "hunter2" not in table + done.stdout + json.dumps(found)


def test_logs_patterns_and_changes_of_the_store(running_agent: Any, tmp_path: Path) -> None:
    """Without files the store answers, in the same words; options of the one are refused for the other."""
    path = tmp_path / "quokka.log"
    path.write_text("".join(f"2026-11-01 10:00:{n:02d} ERROR [app] hop {n} failed\n" for n in range(7)), "utf-8")
    assert wk("logs", "ingest", path, data_dir=running_agent.data_dir).returncode == 0
    found = answer("logs", "patterns", "--source", "quokka", data_dir=running_agent.data_dir)
    assert [(one["text"], one["count"], one["level"]) for one in found["patterns"]] == [("hop <*> failed", 7, "error")]
    files = answer("logs", "patterns", path, data_dir=running_agent.data_dir)
    assert files["shown"][0]["template_id"] == found["patterns"][0]["id"], "the same identity"
    table = wk("logs", "patterns", "--source", "quokka", data_dir=running_agent.data_dir).stdout
    assert "7 records, 1 pattern\n" in table
    assert "hop <*> failed" in table
    span = ("--since", "2026-11-01T10:00:03", "--until", "2026-11-01T10:00:07", "--before", "2026-11-01T10:00:00")
    changed = answer("logs", "changes", "--source", "quokka", *span, data_dir=running_agent.data_dir)
    assert [changed[name]["records"] for name in ("before", "after")] == [3, 4]
    assert (
        "No pattern changed"
        in wk("logs", "changes", "--source", "quokka", *span, data_dir=running_agent.data_dir).stdout
    )
    for wrong in (("--since", "1h", str(path)), ("--lines",)):
        assert wk("logs", "patterns", *wrong, data_dir=running_agent.data_dir).returncode == 2


def test_query(running_agent: Any) -> None:
    """A SELECT answers; anything else is a wrong query, which ends with 2."""

    def hosts() -> Any:
        return answer("query", "SELECT count(*) AS n FROM hosts", data_dir=running_agent.data_dir)

    stored = {"columns": ["n"], "rows": [[1]], "truncated": False}
    assert wait_until(lambda: hosts() == stored)  # an agent that has just started stores its host within seconds
    assert wk("query", "DROP TABLE hosts", data_dir=running_agent.data_dir).returncode == 2
    wrong = wk("query", "SELECT 1 FROM\tnowhere", data_dir=running_agent.data_dir).stderr
    assert "nowhere" in wrong
    assert "\\n" not in wrong  # the engine points at the place in lines of its own


def test_settings_get_set_path(tmp_path: Path) -> None:
    """What is set is written to the file and shown with its origin."""
    file = tmp_path / "mine.toml"
    done = wk("settings", "set", "logs.globs", "/a/*.log,/b", data_dir=tmp_path / "d", config=file)
    assert done.returncode == 0, done.stderr
    got = json.loads(wk("settings", "get", "logs.globs", "--json", data_dir=tmp_path / "d", config=file).stdout)
    assert (got["value"], got["origin"]) == (["/a/*.log", "/b"], "file")
    assert wk("settings", "path", data_dir=tmp_path / "d", config=file).stdout.strip() == str(file)
    assert wk("settings", "set", "store.limit_mb", "3", data_dir=tmp_path / "d", config=file).returncode == 2
    wrong = wk("settings", "set", "store.limit_mb", "much", data_dir=tmp_path / "d", config=file).stderr
    assert '"much": input should be a valid integer' in wrong
    assert str(file) not in wrong  # nothing stands there that could be corrected
    assert wk("settings", "set", "logs.globs", "default", data_dir=tmp_path / "d", config=file).returncode == 0
    assert "globs" not in file.read_text("utf-8")


def test_password_makes_an_entry(tmp_path: Path) -> None:
    """The entry verifies, and loads as a setting."""
    from argon2 import PasswordHasher

    entry = json.loads(
        wk("password", "ann", "--role", "operator", "--json", data_dir=tmp_path, stdin="correct horse\n").stdout
    )
    assert PasswordHasher().verify(entry["password_hash"], "correct horse")
    assert wk("password", "ann", data_dir=tmp_path, stdin="short\n").returncode == 2


def test_doctor_works_without_an_agent(tmp_path: Path) -> None:
    """Every check has a state and words; what is not well has them too. The size of a store is that with its journal."""
    (tmp_path / "d").mkdir(mode=0o700)
    for name, kib in (("watchkeeper.duckdb", 3), ("watchkeeper.duckdb.wal", 5)):
        (tmp_path / "d" / name).write_bytes(bytes(kib << 10))
    done = wk("doctor", "--json", data_dir=tmp_path / "d")
    report = json.loads(done.stdout)
    assert done.returncode == (0 if report["ok"] else 1)
    names = {check["name"] for check in report["checks"]}
    assert {"python", "system", "settings", "data", "disk", "store", "agent", "port", "gpu", "engine"} <= names
    assert all(check["state"] in {"ok", "warn", "fail"} and check["detail"] for check in report["checks"])
    engines = [(check["detail"], check["state"]) for check in report["checks"] if check["name"] == "engine"]
    assert {state for detail, state in engines if "embedded" in detail or "is not installed" in detail} == {"ok"}
    assert "watchkeeper.duckdb 8.0 KiB" in [check["detail"] for check in report["checks"] if check["name"] == "store"]


def test_a_reader_that_stops_early_is_no_error(running_agent: Any) -> None:
    """`watchkeeper ps | head -1` says nothing on standard error."""
    data = running_agent.data_dir
    for words in (
        f"ps --kernel --json --data-dir {data}",
        f"--data-dir {data} ps --kernel",
        "ai backends --json",
        f"events --data-dir {data}",
    ):
        command = f"({sys.executable} -m monitor {words}; echo $? >&2) | head -c 0"
        done = subprocess.run(
            ["sh", "-c", command], cwd=ROOT, capture_output=True, text=True, timeout=patient(60), check=False
        )
        assert done.stderr.strip() in {"141", "0"}, words
