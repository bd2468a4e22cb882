"""The process table without its table: frames to a set of processes, search, order, tree."""

from typing import Any

import pytest

from tests.doubles.node import run_script
from tests.waiting import patient

ROWS: list[dict[str, Any]] = [
    {"run": "1", "pid": 10, "ppid": 1, "name": "bash", "cmdline": "-bash", "user": "ada", "cpu_pct": 1, "mine": True},
    {"run": "2", "pid": 20, "ppid": 10, "name": "python", "cmdline": "python train.py", "user": "ada", "cpu_pct": 90},
    {"run": "3", "pid": 30, "ppid": 20, "name": "sh", "cmdline": "sh -c sleep", "user": "root", "cpu_pct": None},
    {"run": "4", "pid": 4, "ppid": 2, "name": "kworker", "cmdline": "", "user": "root", "kernel_thread": True},
]
ARRANGE = """
const { arrange, matcher } = await load("processes/model");
const options = { match: matcher(given.q ?? ""), sort: "cpu_pct", tree: false, scope: "all", kernel: false, closed: new Set(given.closed), ...given.options };
return arrange(new Map(given.rows.map((one) => [one.run, { title: one.name, ...one }])), options).map(({ process, level, kids, open }) => [process.run, level, kids, open]);
"""


def arranged(q: str = "", closed: tuple[str, ...] = (), **options: Any) -> list[list[Any]]:
    """Run, level, number of children and whether they are shown, row by row."""
    found: list[list[Any]] = run_script(ARRANGE, {"rows": ROWS, "q": q, "closed": closed, "options": options})
    return found


def test_frames_of_differences_build_the_set() -> None:
    """A difference changes only what it names; a process that ended is gone; a full frame forgets what it does not name."""
    after_delta, after_full = run_script(
        """
        const { Processes } = await load("live/processes");
        const set = new Processes();
        const born = (run, name) => ({ run, name });
        set.apply({ full: true, ts: 1, born: [born("1", "a"), born("2", "b")], cols: ["run", "cpu_pct", "rss"], rows: [["1", 5, 100], ["2", 6, 200]] });
        set.apply({ ts: 2, born: [born("3", "c")], gone: ["2"], cols: ["run", "cpu_pct"], rows: [["1", 7]] });
        const after_delta = [...set.runs.values()];
        set.apply({ full: true, ts: 3, born: [born("1", "a")], cols: ["run", "cpu_pct"], rows: [["1", 9], ["4", 1]] });
        return [structuredClone(after_delta), [...set.runs.values()]];"""
    )
    assert [(one["run"], one.get("cpu_pct"), one.get("rss")) for one in after_delta] == [
        ("1", 7, 100),
        ("3", None, None),
    ]
    assert {one["run"]: one["spark"] for one in after_full} == {"1": [5, 7, 9], "4": [1]}


def test_a_minute_of_history_is_kept_once_a_second() -> None:
    """Two frames of one second are one point, and older points leave."""
    assert run_script(
        """
        const { Processes } = await load("live/processes");
        const set = new Processes();
        set.apply({ full: true, ts: 0, born: [{ run: "1" }] });
        for (let ts = 0; ts < 100; ts += 1) for (let twice = 0; twice < 2; twice += 1) set.apply({ ts, cols: ["run", "cpu_pct"], rows: [["1", ts]] });
        return [set.size, set.runs.get("1").spark.length, set.runs.get("1").spark.at(-1)]"""
    ) == [1, 60, 99]


SLOW = [
    (r"(a+)+$", "a" * 3000 + "!"),
    (r"(\w+\s?)*:", "word " * 700),
    (r"(a|a)*b", "a" * 3000),
    (r"a*a*a*a*a*a*a*b", "a" * 3000),
    (r"(.*b){20}c", "b" * 3000),
    (r"(x+x+)+y", "x" * 3000),
    (r"([a-z]+)*\d", "q" * 3000),
]


@pytest.mark.parametrize(("pattern", "line"), SLOW)
def test_no_pattern_can_freeze_the_tab(pattern: str, line: str) -> None:
    """Patterns for which a search that goes back would take years are answered at once."""
    found, took = run_script(
        """
        const { matcher } = await load("processes/model");
        const begin = performance.now();
        const match = matcher(`/${given[0]}/`);
        const rows = Array.from({ length: 20 }, (_, i) => ({ name: "x", cmdline: given[1] + i, pid: i }));
        return [rows.filter((one) => match(one)).length, performance.now() - begin];""",
        [pattern, line],
    )
    assert found in (0, 20)
    assert took < patient(2) * 1000


def test_a_search_that_cannot_be_made_says_why() -> None:
    """Look-around and references are refused in words, a wrong pattern is said to be wrong, and neither is a match."""
    asked = ["/(?=a)b/", r"/(a)\1/", "/(/", "/a{5000}/", "/ok/", "plain"]
    found = run_script(
        'const { search } = await load("processes/model"); return given.map((q) => { const { match, problem } = search(q); return [match !== null, problem()?.[0] ?? null]; })',
        asked,
    )
    assert [usable for usable, _ in found] == [False] * 4 + [True] * 2
    assert [words and words.split(".")[0] for _, words in found] == [
        "This expression cannot be used: Look-around is not supported",
        "This expression cannot be used: References to earlier groups are not supported",
        "Invalid regular expression",
        "This expression cannot be used: The pattern repeats too much",
        None,
        None,
    ]


def test_a_pattern_that_is_never_done_is_given_up() -> None:
    """A pattern that meets ever new states uses up its time, and the search says that it is not complete."""
    problem, took = run_script(
        """
        const { search } = await load("processes/model");
        const { match, problem } = search("/(a|b)*a(a|b){900}c/");
        let seed = 1;
        const random = () => ((seed = (seed * 1103515245 + 12345) % 2147483648) & 65536 ? "a" : "b");
        const rows = Array.from({ length: 300 }, (_, pid) => ({ pid, name: "x", cmdline: Array.from({ length: 4000 }, random).join("") }));
        const begin = performance.now();
        rows.forEach(match);
        return [problem()?.[0], performance.now() - begin];"""
    )
    assert "takes too long" in problem
    assert took < patient(5) * 1000


@pytest.mark.parametrize(
    ("q", "runs"),
    [("", ["2", "1", "3"]), ("TRAIN", ["2"]), ("root", ["3"]), ("30", ["3"]), ("3", []), ("/^(bash|sh)$/", ["1", "3"])],
)
def test_a_search_finds_by_name_command_user_and_pid(q: str, runs: list[str]) -> None:
    """Text matches name and command in part, user and pid as a whole; an expression matches name and command."""
    assert [row[0] for row in arranged(q)] == runs


@pytest.mark.parametrize(
    ("q", "found"),
    [
        ("83", ["pid", "container", "command"]),
        ("83a1", ["container"]),
        ("docker", ["pid", "container"]),
        ("4f2", ["pid", "container"]),
        ("12", ["session"]),
    ],
)
def test_a_number_is_a_pid_the_begin_of_a_container_or_in_a_command(q: str, found: list[str]) -> None:
    """Inside of an ID any number stands somewhere, so it counts only where the ID begins."""
    rows = [
        {"run": "pid", "pid": 83, "name": "a", "cmdline": "a", "unit": "docker ff4f28312283"},
        {"run": "container", "pid": 1, "name": "b", "cmdline": "b", "unit": "docker 83a1c04f2ab1"},
        {"run": "command", "pid": 2, "name": "c", "cmdline": "c --port 8383", "unit": None},
        {"run": "session", "pid": 3, "name": "d", "cmdline": "d", "unit": "session 12"},
    ]
    told = run_script(ARRANGE, {"rows": rows, "q": q, "options": {"sort": "name"}})
    assert sorted(row[0] for row in told) == sorted(found)


def test_a_tree_sums_up_each_branch() -> None:
    """Over all descendants, also those that a search hides; what is unknown adds nothing; the order is that of the sums."""
    rows = [
        {"run": "1", "pid": 1, "ppid": 0, "name": "init", "cpu_pct": 1, "rss": 10, "read_bps": None},
        {"run": "2", "pid": 2, "ppid": 1, "name": "shell", "cpu_pct": 0, "rss": 20, "read_bps": None},
        {"run": "3", "pid": 3, "ppid": 2, "name": "job", "cpu_pct": 80.5, "rss": 100, "read_bps": 7},
        {"run": "4", "pid": 4, "ppid": 1, "name": "lone", "cpu_pct": 40, "rss": None, "read_bps": None},
    ]
    script = ARRANGE.replace(
        "[process.run, level, kids, open]",
        "[process.run, whole?.count ?? null, whole?.cpu_pct, whole?.rss, whole?.read_bps]",
    ).replace("({ process, level, kids, open })", "({ process, whole })")
    told = run_script(script, {"rows": rows, "options": {"tree": True}})
    assert told == [
        ["1", 4, 121.5, 130, 7],
        ["2", 2, 80.5, 120, 7],
        ["3", None, None, None, None],
        ["4", None, None, None, None],
    ]
    searched = run_script(script, {"rows": rows, "q": "shell", "options": {"tree": True}})
    assert [row[:2] for row in searched] == [["1", 4], ["2", 2]]


def test_a_circle_of_parents_is_summed_once() -> None:
    """Pids are used again, so a circle can be told; each process is then in both branches once."""
    circle = [{"run": "1", "pid": 1, "ppid": 2, "rss": 1}, {"run": "2", "pid": 2, "ppid": 1, "rss": 2}]
    script = 'const { subtrees } = await load("processes/model"); return [...subtrees(new Map(given.map((one) => [one.run, one]))).values()].map((one) => [one.count, one.rss]);'
    assert run_script(script, circle) == [[2, 3], [2, 3]]


def test_chosen_columns_are_kept_for_the_next_visit() -> None:
    """As far as there are such columns; a browser that keeps nothing is no error; none chosen brings the standard ones back."""
    script = """
        const { keepColumns, keptColumns } = await load("processes/columns");
        const kept = new Map();
        const storage = { getItem: (name) => kept.get(name) ?? null, setItem: (name, text) => kept.set(name, text), removeItem: (name) => kept.delete(name) };
        const titles = ["PID", "Memory", "Nice"];
        const told = [keptColumns(storage, "columns", titles)];
        keepColumns(storage, "columns", ["Nice", "Gone", "PID"]);
        told.push(keptColumns(storage, "columns", titles), keptColumns(storage, "past_columns", titles));
        keepColumns(storage, "columns", []);
        told.push(keptColumns(storage, "columns", titles));
        kept.set("watchkeeper.columns.columns", "{");
        told.push(keptColumns(storage, "columns", titles), keptColumns(null, "columns", titles));
        keepColumns(null, "columns", ["PID"]);
        return told;"""
    assert run_script(script) == [None, ["PID", "Nice"], None, None, None, None]


def test_growth_and_cpu_time_in_words() -> None:
    """With a sign and a unit; what is not known is a dash."""
    script = 'const { growth, cpuTime } = await load("core/format"); return [growth(1258291), growth(-2048), growth(0), growth(null), cpuTime(0.42), cpuTime(3725), cpuTime(null)];'
    assert run_script(script) == ["+1.2 MiB/min", "−2.0 KiB/min", "0", "–", "0.4 s", "1 h 02", "–"]


def test_a_wrong_expression_is_said() -> None:
    """It matches nothing, which is different from finding nothing."""
    assert run_script('const { matcher } = await load("processes/model"); return matcher("/(/")') is None


@pytest.mark.parametrize(
    ("sort", "runs"),
    [
        ("cpu_pct", ["2", "1", "3"]),
        ("-cpu_pct", ["1", "2", "3"]),
        ("name", ["1", "2", "3"]),
        ("-name", ["3", "2", "1"]),
        ("pid", ["1", "2", "3"]),
        ("-pid", ["3", "2", "1"]),
    ],
)
def test_columns_sort_both_ways_and_what_is_unknown_stands_last(sort: str, runs: list[str]) -> None:
    """Numbers begin with the largest, words and pids with the first."""
    assert [row[0] for row in arranged(sort=sort)] == runs


def test_scope_and_kernel_threads() -> None:
    """Own processes come first or alone; kernel threads only when asked for."""
    assert [row[0] for row in arranged(scope="own-first")] == ["1", "2", "3"]
    assert [row[0] for row in arranged(scope="mine")] == ["1"]
    assert "4" in [row[0] for row in arranged(kernel=True)]


def test_the_tree_keeps_the_ancestors_of_a_match_and_closes_branches() -> None:
    """A process stands below its parent; a closed branch hides its children but counts them."""
    assert arranged("sleep", tree=True) == [["1", 1, 1, True], ["2", 2, 1, True], ["3", 3, 0, True]]
    assert arranged(tree=True, closed=("2",)) == [["1", 1, 1, True], ["2", 2, 1, False]]


def test_processes_that_are_each_other_s_parents_are_no_trap() -> None:
    """Pids are used again, so a circle can be told; every process is still shown or left out, and the walk ends."""
    circle = [{"run": "1", "pid": 1, "ppid": 1, "name": "init"}, {"run": "2", "pid": 2, "ppid": 1, "name": "a"}]
    rows = run_script(ARRANGE, {"rows": circle, "options": {"tree": True}})
    assert [row[:2] for row in rows] == [["1", 1], ["2", 2]]


def test_a_page_without_a_search_has_no_problem() -> None:
    """The first thing asked may be the empty search: all match, and nothing is wrong."""
    script = 'const { search } = await load("processes/model"); const { match, problem } = search(given); return [match({}), problem()];'
    assert run_script(script, "") == [True, None]


def test_a_curve_is_there_when_the_page_opens() -> None:
    """The full frame brings the last minute of who used CPU; of others it is flat as long as they lived; then each second adds to it."""
    script = """
        const { Processes } = await load("live/processes");
        const set = new Processes();
        const born = [{ run: "1", start_ts: 0 }, { run: "2", start_ts: 97e6 }, { run: "3", start_ts: 0 }];
        const cols = ["run", "cpu_pct"];
        set.apply({ full: true, ts: 100e6, born, cols, rows: [["1", 5], ["2", 0], ["3", 0]], cpu: { 1: [null, 4, 5] } });
        set.apply({ ts: 101e6, cols, rows: [["1", 6]] });
        return [...set.runs.values()].map((one) => one.spark);
    """
    assert run_script(script, None) == [[None, 4, 5, 6], [0] * 5, [0] * 60]


PAST = """
const { past, told, unknown } = await load("processes/past");
const asked = [];
const set = await past(given.asked, { read: async (path, params) => (asked.push([path, params.at]), given) });
return [asked, [...set.runs.keys()], set.ts, told(given), unknown(given)];
"""


def test_a_past_moment_says_what_is_known_of_it() -> None:
    """A sample with its time and the machine's readings, a hole, a time without samples, and one of which nothing is known."""
    at = 1_796_019_120_000_000  # 06:12:00
    host = {"width_us": 0, "readings": {"cpu_pct": 83.4, "mem_used": 5 * 2**30, "mem_total": 8 * 2**30}}
    sample = {"asked": at, "ts": at - 400_000, "resolution": "sample", "gap": False, "host": host}
    asked, runs, ts, words, nothing = run_script(PAST, {**sample, "processes": ROWS})
    assert (asked, runs, ts, nothing) == ([["processes/at", at]], ["1", "2", "3", "4"], at - 400_000, None)
    assert words.endswith("06:11:59 · CPU 83.4 % · memory 5.0 GiB of 8.0 GiB")
    hole = run_script(PAST, {**sample, "gap": True, "host": None, "processes": ROWS})[3]
    assert hole.endswith("06:11:59 · no sample was taken at 06:12:00")
    minute = {**host, "width_us": 60_000_000}
    lives = run_script(PAST, {**sample, "ts": None, "resolution": "lives", "host": minute, "processes": ROWS})
    assert lives[2] == at
    assert "without readings" in lives[3]
    assert lives[3].endswith("(mean of the minute)")
    kept = run_script(PAST, {**sample, "resolution": "minute", "gap": True, "host": minute, "processes": ROWS})
    assert "means of that minute, of the processes that used most" in kept[3]
    none = run_script(PAST, {**sample, "ts": None, "resolution": "none", "processes": []})
    assert none[4][0].startswith("Nothing is known of 2026-")


@pytest.mark.parametrize(
    ("total", "words"),
    [
        (0, "None that has ended matches, either"),
        (1, "1 process that has ended matches"),
        (1200, "1,200 processes that have ended match"),
    ],
)
def test_what_has_ended_and_matches_in_words(total: int, words: str) -> None:
    """A search without a running match says how many ended processes it finds."""
    assert run_script('const { endedWords } = await load("processes/past"); return endedWords(given);', total) == words


def test_the_peak_of_a_selection_is_found_where_there_is_one() -> None:
    """The time of the greatest value inside the range, whatever is outside; none where all is missing."""
    data = {"ts": [1, 2, 3, 4, 5], "columns": {"cpu": {"avg": [9, 1, None, 3, 8]}, "none": {"avg": [None] * 5}}}
    script = 'const { peakOf } = await load("charts/scale"); return [peakOf(given, "cpu", 2, 4), peakOf(given, "cpu", 1, 5), peakOf(given, "none", 1, 5), peakOf(given, "gone", 1, 5)];'
    assert run_script(script, data) == [4, 1, None, None]


def test_events_are_listed_once_and_filtered_as_the_agent_does() -> None:
    """The same event from the store and from the socket is one; the newest is on top; text, types and run narrow the list."""
    told = [
        {
            "timestamp": n,
            "event_type": kind,
            "process_name": "job",
            "pid": n,
            "run": str(n % 2),
            "details": {"message": text, "level": level},
        }
        for n, kind, text, level in [
            *((1, "START", "started", None), (2, "ERROR", "exit code 3", None), (3, "STOP", "ended", None)),
            *(
                (4, "NEW_PATTERN", "new log pattern: step <*>", None),
                (5, "NEW_PATTERN", "new log pattern: disk full", "error"),
            ),
        ]
    ]
    script = """
        const { merged, matches, summary } = await load("processes/eventlist");
        const list = merged([given[2], given[1]], [given[1], given[0]]);
        const found = (filters) => given.filter((one) => matches(one, filters)).map((one) => one.timestamp);
        return [list.map((one) => one.timestamp), found({ q: "CODE 3" }), found({ types: "START,STOP" }), found({ run: "1" }), found({}), found({ types: "NEW_PATTERN" }), summary(2, null, 0), summary(2, 9, 1), summary(0, 0, 0)];"""
    assert run_script(script, told) == [
        *([3, 2, 1], [2], [1, 3], [1, 3, 5], [1, 2, 3, 5], [4, 5]),
        "Loading earlier events…",  # the few that have come meanwhile are not all
        "9 events · the newest 2 are shown · 1 came too fast to be recorded",
        "",
    ]


def life(
    run: str, title: str, started: int, ended: int | None, *, failed: bool | None = False, asked: str | None = None
) -> dict[str, Any]:
    """One life, as the agent tells it."""
    return {
        "run": run,
        "title": title,
        "user": "ann",
        "started": started,
        "ended": ended,
        "failed": failed,
        "asked": asked,
    }


def test_lives_of_a_program_share_a_lane_until_they_overlap() -> None:
    """A lane holds lives that follow each other; programs that lived longest come first; nothing is drawn twice."""
    runs = [life("1", "a", 0, 10), life("2", "a", 10, 20), life("3", "a", 5, 15), life("4", "b", 0, None)]
    found = run_script(
        'const { lanes } = await load("processes/lanes"); return lanes(given.runs, [0, 100])', {"runs": runs}
    )
    assert [(lane["title"], lane["first"], lane["count"], [one["run"] for one in lane["lives"]]) for lane in found] == [
        ("b", True, 1, ["4"]), ("a", True, 3, ["1", "2"]), ("a", False, 3, ["3"]),
    ]  # fmt: skip


def test_of_many_lives_at_once_the_lanes_with_failures_are_shown() -> None:
    """Five lanes a program; the others are counted."""
    runs = [life(str(n), "a", n, None if n < 8 else 50, failed=n == 9) for n in range(10)]
    found = run_script(
        'const { lanes } = await load("processes/lanes"); return lanes(given.runs, [0, 100])', {"runs": runs}
    )
    assert (len(found), found[0]["hidden"]) == (5, 5)
    assert [lane["last"] for lane in found] == [False] * 4 + [True]
    assert "9" in [one["run"] for lane in found for one in lane["lives"]]


def test_a_bar_stays_within_its_axis() -> None:
    """What began before the axis begins at its edge, what still runs goes to its other edge."""
    places = run_script(
        'const { place } = await load("processes/lanes"); return given.runs.map((run) => place(run, [100, 200]))',
        {"runs": [life("1", "a", 0, 150), life("2", "a", 150, None), life("3", "a", 0, 50), life("4", "a", 120, 120)]},
    )
    assert places == [[0, 50], [50, 50], [0, 0], [20, 0]]


def test_the_colour_of_a_life_says_how_it_ended() -> None:
    """Running, ended well, failed, nobody knows, or somebody asked for it; the sign of an end in lists says the same."""
    kinds, signs = run_script(
        'const { outcome } = await load("processes/lanes"), { endSign } = await load("core/format"); return [given.runs.map(outcome), given.runs.slice(1).map(endSign)]',
        {
            "runs": [
                life("1", "a", 0, None),
                life("2", "a", 0, 1),
                life("3", "a", 0, 1, failed=True),
                life("4", "a", 0, 1, failed=None),
                life("5", "a", 0, 1, asked="stopped by ada"),
            ]
        },
    )
    assert kinds == ["runs", "done", "failed", "unknown", "asked"]
    assert signs == ["ok", "bad", "off", "off"]


@pytest.mark.parametrize(
    ("host", "words"),
    [
        (None, ""),
        ({"forks": None, "cpu_short": None}, ""),
        ({"forks": 0, "cpu_short": 0}, ""),
        (
            {"forks": 27.4, "cpu_short": 1.26},
            "27 new a second, those that end before a reading use 1.3 % of the machine's CPU.",
        ),
        ({"forks": 1200, "cpu_short": None}, "1,200 new a second, what the short ones use is not known here."),
    ],
)
def test_short_lives_in_words(host: dict[str, float | None] | None, words: str) -> None:
    """Their rate and their CPU; nothing while nothing begins, and no figure where nobody tells it."""
    script = 'const { shortLives } = await load("processes/outlook"); return shortLives(given);'
    assert run_script(script, host) == words


def test_where_there_is_little_room_a_title_begins_with_what_differs() -> None:
    """The interpreter says least."""
    titles = ["python -m monitor agent", "java -jar shop/app.jar", "python train.py", "git -m ", "node shop/index.js"]
    shown = run_script('const { briefly } = await load("processes/model"); return given.map(briefly);', titles)
    assert shown == ["monitor agent", "shop/app.jar", "python train.py", "git -m ", "node shop/index.js"]
