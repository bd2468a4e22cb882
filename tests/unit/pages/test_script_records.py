"""How the list of records is laid out and looks: wrapped lines, columns, bookmarks, without a browser."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.doubles.node import run_script

LAY = """
const { Lines, ROW } = await load("logs/lines");
return given.map(([messages, width, probes]) => {
  const lines = new Lines();
  lines.lay(messages.map(([message, lines]) => ({ message, lines })), width);
  const tops = messages.map((_, i) => lines.upTo(i));
  return { row: ROW, tops, heights: messages.map((_, i) => lines.height(i)), total: lines.total, at: probes.map((share) => [lines.at(share * lines.total), share * lines.total]) };
});"""
MESSAGES = st.lists(st.tuples(st.text("ab 日.:-", max_size=60), st.integers(1, 3)), max_size=12)
SHARES = st.lists(st.floats(0, 0.999), max_size=5)


@settings(max_examples=10)
@given(
    st.lists(st.tuples(MESSAGES, st.one_of(st.none(), st.integers(1, 40)), SHARES), min_size=20, max_size=60),
)
def test_rows_lie_below_each_other(cases: list[Any]) -> None:
    """Without a gap, each as high as its text needs; and the place of a row is found from any height within it."""
    for (messages, width, _), found in zip(cases, run_script(LAY, cases), strict=True):
        row, top = found["row"], 0
        for (text, more), begin, height in zip(messages, found["tops"], found["heights"], strict=True):
            assert begin == top
            places = len(text) + text.count("日") + (len(f"▸ {more} lines") + 2 if more > 1 else 0)
            assert height == (row if width is None else row * max(1, -(-places // width)))
            top += height
        assert found["total"] == top
        for position, y in found["at"]:
            if messages:
                assert found["tops"][position] <= y < found["tops"][position] + found["heights"][position]
            else:
                assert position == 0


def test_an_exception_that_is_shown_first_takes_its_place() -> None:
    """The row has the exception before the message, so it is that much longer."""
    record = {"message": 'import failed\nTraceback (most recent call last):\n  File "a"\nValueError: no', "lines": 4}
    body = 'const { places } = await load("logs/lines"); return places(given);'
    assert run_script(body, record) == len("import failed") + len("ValueError: no") + 3 + len("▸ 4 lines") + 2


NAMES = st.lists(st.sampled_from(["source", "logger", "pid", "user_id", "http.status", "x"]), unique=True, max_size=6)


@settings(max_examples=10)
@given(st.lists(st.tuples(st.booleans(), st.booleans(), NAMES), min_size=10, max_size=40))
def test_options_survive_the_address(cases: list[Any]) -> None:
    """What a person chose is what the address says again; the standard needs no text there."""
    given_options = [{"wrap": wrap, "utc": utc, "columns": columns} for wrap, utc, columns in cases]
    body = """const { optionsOf, textsOf, fieldsOf } = await load("logs/options");
    return given.map((one) => { const texts = textsOf(one), again = optionsOf(texts); return [texts, { ...again, columns: again.columns.filter((name) => name !== "-") }, fieldsOf(again)]; });"""
    for options, (texts, again, fields) in zip(given_options, run_script(body, given_options), strict=True):
        assert again == options
        assert fields == [name for name in options["columns"] if name not in {"source", "logger", "pid"}]
        if options == {"wrap": False, "utc": False, "columns": ["source"]}:
            assert set(texts.values()) == {None}


def test_strange_columns_in_an_address_are_bounded() -> None:
    """A link with thousands of columns, or the same one twice."""
    many = ",".join(f"f{i}" for i in range(5000))
    body = 'const { optionsOf } = await load("logs/options"); return given.map((cols) => optionsOf({ wrap: null, zone: "x", cols }).columns.length);'
    assert run_script(body, [many, "a,a,,a", ""]) == [12, 1, 0]


RECORD = {"id": "1:2", "ts": 5, "source": "s", "message": "first\nsecond"}


def test_a_bookmark_is_added_and_taken_away() -> None:
    """By the first line of the record; the newest record first."""
    body = 'const { toggled } = await load("logs/bookmarks"); const one = toggled([], given[0]), two = toggled(one, given[1]); return [two, toggled(two, given[0])];'
    later = {**RECORD, "id": "1:3", "ts": 9}
    both, left = run_script(body, [RECORD, later])
    assert [(one["id"], one["text"]) for one in both] == [("1:3", "first"), ("1:2", "first")]
    assert [one["id"] for one in left] == ["1:3"]


def test_what_the_browser_kept_may_be_anything() -> None:
    """Bookmarks of a damaged or foreign storage are left out; a storage that refuses has none."""
    body = """const { bookmarks } = await load("logs/bookmarks");
    const of = (text) => bookmarks({ getItem: () => text });
    return [...given.map(of), bookmarks(null), bookmarks({ getItem: () => { throw new Error("no"); } })];"""
    texts = [None, "{", "7", '[1, null, {"id": "a"}, {"id": "a", "ts": 1, "text": "t"}]', '{"id": 1}']
    assert [len(found) for found in run_script(body, texts)] == [0, 0, 0, 1, 0, 0, 0]


def test_a_source_says_what_is_missed_and_why() -> None:
    """What was rotated away unread, what went with an emptied file, what a record was too long to keep, and that nobody knows how much more."""
    body = 'const { missedOf } = await load("logs/sources"); return given.map(([missed, emptied, rotated, gaps]) => missedOf({ missed_bytes: missed, emptied_bytes: emptied, rotated_bytes: rotated, gaps }))'
    assert run_script(body, [(500, 500, 0, 0), (2048, 0, 0, 0), (2748, 500, 200, 1), (0, 0, 0, 3)]) == [
        "500 B emptied before it was read",
        "2.0 KiB of records that are too long",
        "200 B rotated away before it was read, 500 B emptied before it was read, 2.0 KiB of records that are too long, unknown how much once, rotated away unseen",
        "unknown how much 3 times, rotated away unseen",
    ]


PARTS = st.lists(st.sampled_from(["srv", "app", "log", "a b", "日"]), max_size=4)
SOURCES = st.lists(st.tuples(st.one_of(st.none(), PARTS), st.integers(0, 9)), max_size=12)


@settings(max_examples=10)
@given(st.lists(SOURCES, min_size=20, max_size=60))
def test_the_tree_of_sources_has_each_once(cases: list[Any]) -> None:
    """Each folder counts what is below it, the fullest first; a folder is never alone in a folder without sources."""
    body = """const { treeOf, namesIn } = await load("logs/sources");
    return given.map(([sources, counts]) => { const tree = treeOf(sources, new Map(counts)); return [tree, namesIn(tree)]; });"""
    asked = [
        (
            [{"source": f"s{i}", "path": None if parts is None else "/" + "/".join([*parts, f"s{i}.log"])} for i, (parts, _) in enumerate(sources)],
            [[f"s{i}", n] for i, (_, n) in enumerate(sources)],
        )
        for sources in cases
    ]  # fmt: skip
    for (sources, counts), (tree, names) in zip(asked, run_script(body, asked), strict=True):
        assert sorted(names) == sorted(one["source"] for one in sources)
        known, paths = dict(counts), {one["source"]: one["path"] for one in sources}
        todo = [(tree, "")]
        while todo:
            folder, way = todo.pop()
            below = names_in(folder)
            assert folder["count"] == sum(known[name] for name in below)
            assert [one["count"] for one in folder["folders"]] == sorted(
                (one["count"] for one in folder["folders"]), reverse=True
            )
            for one in folder["sources"]:
                path = paths[one["source"]]
                assert way == ("/without a file" if path is None else path.rpartition("/")[0])
            for one in folder["folders"]:
                assert one["sources"] or len(one["folders"]) != 1
                todo.append((one, f"{way}/{one['name']}"))


def names_in(folder: dict[str, Any]) -> list[str]:
    """All sources below a folder."""
    return [one["source"] for one in folder["sources"]] + [name for one in folder["folders"] for name in names_in(one)]
