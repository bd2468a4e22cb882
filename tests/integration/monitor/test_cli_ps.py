"""`watchkeeper ps`: what runs, what ended, and a past moment."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.doubles.command_line import answer, wk
from tests.waiting import wait_until


def test_ps_with_and_without_an_agent(running_agent: Any, tmp_path: Path) -> None:
    """Both give the same shape; a hostile command line cannot write to the terminal."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", "evil\x1b[2J\nname"]) as child:
        try:
            for data_dir in (running_agent.data_dir, tmp_path / "d"):
                rows = answer("ps", data_dir=data_dir)["processes"]
                assert {"run", "pid", "cpu_pct", "rss", "cmdline", "mine"} <= set(rows[0])
            assert any(row["pid"] == child.pid for row in rows)
            shown = wk("ps", "evil", data_dir=tmp_path / "d").stdout
            assert "\x1b" not in shown
            assert len([line for line in shown.splitlines() if str(child.pid) in line.split()[:1]]) == 1
        finally:
            child.kill()


def test_ps_sorts_by_growth_and_says_what_is_not_known_yet(running_agent: Any, tmp_path: Path) -> None:
    """A process that has just begun has no growth; the two columns stand in the table; nothing is foretold without an agent."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", "just-begun"]) as child:
        try:
            found = wait_until(
                lambda: (
                    (f := answer("ps", "just-begun", "--sort", "growth", data_dir=running_agent.data_dir))["processes"]
                    and f
                ),
                "it is seen",
            )
            (row,) = found["processes"]
            assert (row["growth_10m"], row["growth_1h"], row["nice"]) == (
                None,
                None,
                os.getpriority(os.PRIO_PROCESS, child.pid),
            )
            assert "outlook" in found
            shown = wk("ps", "just-begun", "--sort", "growth-1h", data_dir=running_agent.data_dir).stdout
            assert "a minute, 10 min" in shown
            assert shown.count("not yet") == 2
            assert answer("ps", "just-begun", data_dir=tmp_path / "d")["outlook"] is None
        finally:
            child.kill()


def test_ps_sums_up_the_branches_of_the_tree(running_agent: Any) -> None:
    """A parent has the sums of itself and its descendants, also of those that a search leaves out; a PID finds its process."""
    script = (
        "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(600)', 'branch-child'])"
    )
    with subprocess.Popen([sys.executable, "-c", script, "branch-parent"], start_new_session=True) as parent:
        try:
            options = ("--tree", "--limit", "1")
            sums = wait_until(
                lambda: next(
                    (
                        row
                        for row in answer("ps", str(parent.pid), *options, data_dir=running_agent.data_dir)["processes"]
                        if row["pid"] == parent.pid and row["subtree"]["processes"] == 2
                    ),
                    None,
                ),
                "both are seen",
            )
            assert sums["subtree"]["rss"] > sums["rss"]
            assert sums["subtree"]["threads"] >= 2
            shown = wk("ps", "branch-parent", *options, data_dir=running_agent.data_dir).stdout
            assert "cpu %, all" in shown
        finally:
            os.killpg(parent.pid, 9)


def test_ps_masks_what_the_settings_name(tmp_path: Path) -> None:
    """A look without a watch hides the same secrets as the watch does."""
    config = tmp_path / "w.toml"
    config.write_text("[masking]\nextra = ['badge-[0-9]+']\n", "utf-8")
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", "badge-4711"]) as child:
        try:
            done = wk("ps", "--json", data_dir=tmp_path / "d", config=config)
            shown = {row["pid"]: row["cmdline"] for row in json.loads(done.stdout)["processes"]}
        finally:
            child.kill()
    assert shown[child.pid].endswith("time.sleep(600) ***")


def test_ps_lists_what_has_ended(running_agent: Any) -> None:
    """A process is found after its end, with how it ended where this machine tells; one that runs is not among them."""
    with subprocess.Popen(
        [sys.executable, "-c", "import sys, time; time.sleep(float(sys.argv[1])); sys.exit(3)", "1.25"]
    ) as child:
        pass  # waits for its end

    def found(*options: str) -> list[dict[str, Any]]:
        runs: list[dict[str, Any]] = answer("ps", str(child.pid), "--ended", *options, data_dir=running_agent.data_dir)[
            "runs"
        ]
        return runs

    wait_until(lambda: len(found()) == 1, "the end is stored")
    subprocess.run([sys.executable, "-S", "-c", "pass", "brief"], check=True)
    listed = wait_until(lambda: (a := answer("ps", "--ended", data_dir=running_agent.data_dir))["shorter"] and a)
    assert all(one["ended"] - one["started"] >= 1_000_000 for one in listed["runs"])
    said = wk("ps", "--ended", data_dir=running_agent.data_dir).stderr
    assert said.endswith("that lived for less than a second; --all shows them\n")
    assert answer("ps", "--ended", "--all", data_dir=running_agent.data_dir)["total"] > listed["total"]
    assert answer("ps", "brief", "--ended", data_dir=running_agent.data_dir)["runs"]
    (run,) = found()
    assert run["exit_code"] in {3, None}  # who may not be told has no code
    assert run["outcome"] == ("exit code unknown" if run["exit_code"] is None else "exit code 3")
    assert run["ended"] - run["started"] >= 1_000_000
    assert found("--since", "1h")
    assert not found("--since", str(run["ended"] // 1_000_000 + 3600))
    assert not found("--since", "2h", "--until", "1h")
    assert str(os.getpid()) not in {
        str(one["pid"]) for one in answer("ps", "--ended", data_dir=running_agent.data_dir)["runs"]
    }
    assert str(child.pid) in wk("ps", str(child.pid), "--ended", data_dir=running_agent.data_dir).stdout


def test_a_search_leaves_out_who_searches_and_tells_of_what_has_ended(running_agent: Any) -> None:
    """Neither the command nor the shell that runs it is what somebody looks for. What has ended is offered, beside running ones and without."""
    mark, environ = f"looked-for-{os.getpid()}", {**os.environ, "WATCHKEEPER_DATA_DIR": str(running_agent.data_dir)}

    def pids() -> set[int]:
        return {row["pid"] for row in answer("ps", mark, data_dir=running_agent.data_dir)["processes"]}

    sleeper = [sys.executable, "-c", "import time; time.sleep(600)", mark]
    with subprocess.Popen(sleeper) as over:
        wait_until(lambda: over.pid in pids(), "it is seen")
        over.kill()
    script = f"read go; {sys.executable} -m monitor ps {mark}; echo ---; {sys.executable} -m monitor ps {mark} --history; true"
    for others in (0, 1):
        searcher = subprocess.Popen(
            ["sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environ, text=True
        )  # fmt: skip
        with searcher, subprocess.Popen(sleeper if others else ["true"]) as runs:
            expected = {searcher.pid, runs.pid} if others else {searcher.pid}
            wait_until(lambda expected=expected: pids() == expected, "what matches is seen, the shell too")
            said, err = searcher.communicate("\n")
            runs.kill()
        out, _, past = said.partition("---\n")
        runs_on = [line.split()[0] for line in past.splitlines() if "still runs" in line]
        assert runs_on == ([str(runs.pid)] if others else [])
        assert [line.split()[0] for line in out.splitlines()[1:]] == ([str(runs.pid)] if others else [])
        assert "… 1 that has ended matches; --ended lists it\n" in err
        assert ("No running process matches.\n" in err) is not bool(others)


def test_ps_lists_all_that_lived(running_agent: Any) -> None:
    """One that ended and one that runs, with what they ended with; a short one only with --all."""
    mark = f"history{os.getpid()}"
    program = "import sys, time; time.sleep(float(sys.argv[1])); sys.exit(5)"
    words = ([sys.executable, "-c", program, "1.3", mark], ["sh", "-c", "sleep 0.2; exit 4", mark])

    def found(*options: str) -> dict[int, dict[str, Any]]:
        rows = answer("ps", mark, "--history", *options, data_dir=running_agent.data_dir)["runs"]
        return {row["pid"]: row for row in rows}

    wait_until(lambda: running_agent.api.status().samples.received, "ends are told from now on")
    with subprocess.Popen([sys.executable, "-c", program, "300", mark]) as runs:
        try:
            over, short = (subprocess.Popen(command) for command in words)
            short.wait()
            over.wait()
            seen = wait_until(lambda: (f := found()).keys() >= {over.pid, runs.pid} and f[over.pid]["ended"] and f)
            assert short.pid not in seen
            assert seen[over.pid]["exit_code"] in {5, None}
            of_living = seen[runs.pid]
            assert (of_living["ended"], of_living["exit_code"], of_living["signal"]) == (None, None, None)
            if running_agent.api.status().sampler.exits == "connector":
                wait_until(lambda: short.pid in found("--all"), "the short one is stored")
            printed = wk("ps", mark, "--history", "--since", "1h", data_dir=running_agent.data_dir).stdout
            assert "still runs" in printed
        finally:
            runs.kill()
    assert wk("ps", "--history", "--ended", data_dir=running_agent.data_dir).returncode == 2


def test_ps_shows_a_past_moment(running_agent: Any) -> None:
    """A process that has ended is in the table of a second in which it ran, with its end; wrong and future times are refused in words."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3)", "past-moment"]) as child:
        seen = wait_until(
            lambda: next(
                (
                    found["ts"]
                    for found in [answer("ps", "past-moment", data_dir=running_agent.data_dir)]
                    if found["processes"]
                ),
                None,
            ),
            "it runs",
        )
        child.terminate()

    def then() -> dict[str, Any]:
        found: dict[str, Any] = answer("ps", "past-moment", "--at", str(seen), data_dir=running_agent.data_dir)
        return found

    found = wait_until(lambda: (f := then())["ts"] == seen and f["processes"] and f["processes"][0]["end_ts"] and f)
    assert (found["asked"], found["resolution"], found["gap"]) == (seen, "sample", False)
    (row,) = found["processes"]
    assert (row["pid"], row["name"][:6]) == (child.pid, "python")
    assert seen <= row["end_ts"] == row["ended"]
    assert (row["exit_code"], row["signal"], row["started"]) == (None, 15, row["start_ts"])
    assert type(row["nice"]) is int
    printed = wk("ps", "past-moment", "--at", str(seen), data_dir=running_agent.data_dir)
    assert str(child.pid) in printed.stdout
    assert printed.stderr.startswith("At 20")
    for wrong, words in (("soon", "is no time"), ("2090-01-01", "in the future")):
        refused = wk("ps", "--at", wrong, data_dir=running_agent.data_dir)
        assert refused.returncode == 2
        assert words in refused.stderr
    assert wk("ps", "--at", "1h", "--ended", data_dir=running_agent.data_dir).returncode == 2
    backwards = wk("ps", "--ended", "--since", "1h", "--until", "2h", data_dir=running_agent.data_dir)
    assert "ends before it begins" in backwards.stderr
