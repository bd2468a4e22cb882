"""Patterns of messages: what is a value, that nothing depends on order, and that counts add up."""

import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from logs.patterns.files import FilePatterns
from logs.patterns.miner import HOLE, PatternMiner, template_of, values_of
from logs.patterns.skeleton import LONGEST, pieces_of

NAMES = ["ada", "grace", "linus", "barbara", "ken", "dennis", "margaret"]
words = st.sampled_from(
    [
        "user",
        "ada",
        "bob-x",
        "took",
        "12",
        "ms",
        "=",
        "id=7",
        "/a/b",
        "(",
        ")",
        "[ok]",
        "Started",
        "a.b.c",
        "10.0.0.1:80",
        ",",
        "ä",
        "'",
        "'ada',",
        '"',
        "]",
        "[",
        "x=['a', 'b']",
        "None",
        "<ada",
        "at",
        ">",
        "Lease{id=7,",
        "Lease@1f3a[id=7]",
        "{",
        "}",
    ]
)
messages = st.one_of(st.lists(words, max_size=8).map(" ".join), st.text(max_size=60))


def templates(given_messages: list[str]) -> list[str]:
    """The template of each message."""
    miner = PatternMiner()
    numbers = miner.add(given_messages)
    patterns, of = miner.patterns()
    return [patterns[at].template for at in of[numbers].tolist()]


@pytest.mark.parametrize(
    ("message", "template"),
    [
        ("took 12 ms", "took <*>"),
        ("took 12.5s for 3 files", "took <*> for <*> files"),
        ("GET /api/v2/jobs?id=7&x=y from 10.0.0.1:8080", "GET <*> from <*>"),
        ("read C:\\Users\\x\\a.txt", "read <*>"),
        ("open /var/log/app.log failed", "open <*> failed"),
        ("user=ada role=admin", "user=<*> role=<*>"),
        ("user= role=", "user= role="),
        ("retry in [1, 2, 3] s", "retry in [<*>] s"),
        ("at Sun Jul 10 03:55:15 2005", "at <*>"),
        ("mail to ada@example.org bounced", "mail to <*> bounced"),
        ("no route to db.internal", "no route to <*>"),
        ("and/or nothing", "and/or nothing"),
        ("reading settings.toml and x.y.z", "reading <*> and x.y.z"),
        ("user='ada lovelace' said: \"it's late\" twice", "user='<*>' said: \"<*>\" twice"),
        ("it's a user's file", "it's a user's file"),
        ("handlers: ['mail', 'file'], more", "handlers: [<*>], more"),
        ("call('start') of (7,)", "call('start') of (<*>)"),
        ("call <function f.<locals>.g at 0x7f31> now", "call <*> now"),
        ("call <bound method Task.run of Task(7)> now", "call <*> now"),
        ("a < b at 7 > c", "a < b at <*> > c"),
        ("None of them", "<*> of them"),
        ("plain words only", "plain words only"),
        ("", "(blank)"),
        ("first line 1\nTraceback of 2", "first line <*>"),
    ],
)
def test_what_has_the_form_of_a_value_is_one(message: str, template: str) -> None:
    """Numbers with their units, paths, addresses, assigned values, dates and lists need no second message to be known."""
    assert templates([message]) == [template]


def test_many_different_words_in_one_place_are_values() -> None:
    """Names are learned from the messages, also two in one message; states, keys and what a message begins with are not."""
    assert set(templates([f"session opened for {name} by root" for name in NAMES])) == {
        "session opened for <*> by root"
    }
    assert len(set(templates([f"instance {state} now" for state in ("Started", "Stopped", "Paused", "Resumed")]))) == 4
    assert len(set(templates([f"session {verb} for root" for verb in ("opened", "closed")]))) == 2
    assert len(set(templates([f"{verb} the file" for verb in NAMES]))) == len(NAMES)
    assert (
        templates(["x 1 uid=2 tty=3 gid=4 pid=5 sid=6 did=7"] * 2)[0]
        == "x <*> uid=<*> tty=<*> gid=<*> pid=<*> sid=<*> did=<*>"
    )


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("route [1, 2, 3] for 4", "route [] for 5", True),
        ("sizes: ['a1']", "sizes: ['a1', 'b2', 'c3']", True),
        ("set user=None", "set user='ada lovelace'", True),
        ("limit = [7]", "limit = 7", True),
        ("Row (7,)", "Row (7, 'ada')", True),
        ("page index is built", "page part-7 is built", True),
        ("error: 'no such file' in 7", "error: 'access denied' in 8", True),
        ("run <Task at 0x1f> again", "run <Job at 0x2e> again", True),
        ("state of 7 is BROKEN", "state of 7 is 3", False),
        ("file 'opened' now", "file 'closed' now", False),
        ('{"event": "started", "n": 7}', '{"event": "stopped", "n": 8}', False),
        ("start('a')", "start('b')", False),
        ("Closing 7", "Opening 7", False),
    ],
)
def test_values_of_all_dresses_are_in_one_pattern(one: str, other: str, *, alike: bool) -> None:
    """Lists of any length, what is not there, what is quoted, and a name where another message has a value; not a state, not a word in quotes."""
    first, second = templates([one, other])
    miner = PatternMiner()
    numbers = miner.add([one, other])
    _, of = miner.patterns()
    assert (of[numbers[0]] == of[numbers[1]]) is np.bool_(alike), (first, second)


def test_names_of_values_are_none_until_they_are_data() -> None:
    """What JSON within a message names keeps its name, however many names there are; of hundreds nobody could say what they mean."""
    text = ",".join(f'"{name}":{at}' for at, name in enumerate(NAMES))
    assert templates([f"sent {{{text}}}"]) == ["sent {" + ",".join(f'"{name}":<*>' for name in NAMES) + "}"]
    assert templates([f"project '{name}': gone" for name in NAMES])[0] == "project '<*>': gone"
    many = [f'counts {{"w{chr(97 + n // 26)}{chr(97 + n % 26)}":{n}}}' for n in range(200)]
    assert set(templates(many)) == {'counts {"<*>":<*>}'}


@pytest.mark.parametrize(
    ("given_messages", "found"),
    [
        (["freed Lease{id=7} now", "freed Lease{id=8, owner=ada} now"], {"freed Lease{<*>} now"}),
        (["freed Lease{id=7} now", "freed Lease{id=8, of=Job(id=3, took=7)} now"], {"freed Lease{<*>} now"}),
        (["freed shop.Lease@1f[id=7] now", "freed shop.Lease@2e[a=b, id=7] now"], {"freed <*>[<*>] now"}),
        (["moved to Leader(epoch=7)", "moved to Follower(epoch=8, of=3)"], {"moved to <*>"}),
        (["leader=null of a", "leader=Leader(epoch=7, x=1) of a"], {"leader=<*> of a"}),
        # of one shape: their fields stay
        (["freed Lease{id=7, n=1} now", "freed Lease{id=8, n=2} now"], {"freed Lease{id=<*>, n=<*>} now"}),
        # no objects
        (["done (took=7)", "done (took=8, cached=yes)"], {"done (took=<*>)", "done (took=<*>, cached=<*>)"}),
        (["freed Lease{a} now", "freed Lease{a, b} now"], {"freed Lease{a} now", "freed Lease{a, b} now"}),
        # what a message begins with says what it is about
        (["Job(id=1) ended", "Task(id=2, n=3) ended"], {"Job(id=<*>) ended", "Task(id=<*>, n=<*>) ended"}),
    ],
)
def test_objects_that_differ_in_their_fields_are_values(given_messages: list[str], found: set[str]) -> None:
    """Where messages differ in nothing else; whichever comes first."""
    assert set(templates(given_messages)) == set(templates(given_messages[::-1])) == found


def test_words_of_one_program_do_not_make_values_of_anothers() -> None:
    """What is learned in one kind of message does not spread to messages that begin otherwise."""
    logins = [f"login of {name} refused" for name in NAMES]
    assert templates([*logins, "copy of backup refused"])[-1] == "copy of backup refused"


STACK = """Traceback (most recent call last):
  File "shop.py", line {line}, in <module>
    main()
    ~~~~^^
{raised}"""


@pytest.mark.parametrize(
    ("raised", "template"),
    [
        ("KeyError: 'price'", "KeyError: 'price'"),
        ("socket.timeout: timed out", "socket.timeout: timed out"),
        ("ValueError: row 17 has no name\n", f"ValueError: row {HOLE} has no name"),
        (
            "shop.errors.Refused: 2 problems with the order\nprice\n  must be a number\nunit: unknown",
            f"shop.errors.Refused: {HOLE} problems with the order",
        ),
        (
            (
                "OSError: no disk\n\nDuring handling of the above exception, another exception occurred:\n\n"
                'Traceback (most recent call last):\n  File "shop.py", line 9, in main\nSystemExit: gone'
            ),
            "SystemExit: gone",
        ),
        ("KeyboardInterrupt", "KeyboardInterrupt"),
    ],
)
def test_tracebacks_are_told_apart_by_what_was_raised(raised: str, template: str) -> None:
    """All begin alike. The exception is found however long the stack is; one that was cut keeps its first line."""
    frames = '  File "deep.py", line 3, in again\n    again()\n' * 200
    miner = PatternMiner()
    numbers = miner.add(
        [
            STACK.format(line=3, raised=raised),
            STACK.format(line=4, raised=frames + raised),
            "Traceback (most recent call last):\n  File",
            f"failed\n{STACK.format(line=5, raised=raised)}",
        ]
    )
    found, of = miner.patterns()
    assert [found[of[number]].template for number in numbers.tolist()] == [
        template,
        template,
        "Traceback (most recent call last):",
        "failed",
    ]


@given(st.lists(messages, max_size=30), st.randoms(use_true_random=False), st.integers(1, 5))
@example(["0", "0\xa0"], random.Random(0), 1).via("a blank that is not of ASCII, shuffled")
@example(["0\xa0", "0"], random.Random(0), 2).via("the other way round")
@example(["0", "0 ", "00"], random.Random(1), 3).via(
    "a number that comes first in one order, and behind a blank at the end in another"
)
def test_neither_order_nor_division_matters(given_messages: list[str], chance: random.Random, parts: int) -> None:
    """The same messages, shuffled and taken in by parts, have the same patterns, with the same ids and templates."""
    straight, divided = PatternMiner(), PatternMiner()
    straight.add(given_messages)
    shuffled = given_messages[:]
    chance.shuffle(shuffled)
    for part in range(parts):
        divided.add(shuffled[part::parts])
    assert straight.patterns()[0] == divided.patterns()[0]


@given(st.lists(messages, min_size=1, max_size=30))
def test_a_template_and_its_values_are_the_message(given_messages: list[str]) -> None:
    """Whatever a message is, its values put into its pattern give its first line again, and each message has a pattern."""
    miner = PatternMiner()
    numbers = miner.add(given_messages)
    patterns, of = miner.patterns()
    for message, at in zip(given_messages, of[numbers].tolist(), strict=True):
        head = message.partition("\n")[0].removesuffix("\r")[:LONGEST]
        values, template = values_of(head, patterns[at].words), template_of(head, patterns[at].words)
        if HOLE in head or not head.strip():
            continue
        parts = template.split(HOLE)
        assert len(parts) == len(values) + 1
        assert "".join(text for pair in zip(parts, [*values, ""], strict=True) for text in pair) == head


@given(st.text(max_size=300))
def test_pieces_lie_in_the_message_in_order(message: str) -> None:
    """No piece overlaps another or sticks out."""
    at = 0
    for piece in pieces_of(message):
        assert at <= piece.begin <= piece.end <= len(message)
        at = piece.end


def test_files_are_counted_whole(tmp_path: Path) -> None:
    """Counts of all patterns add up to the records; errors and times are those of the records; each line leads to its pattern."""
    log, other = tmp_path / "a.log", tmp_path / "b.log"
    log.write_text(
        "".join(
            f"2026-03-01 10:00:{n:02d} {'ERROR' if n % 4 == 0 else 'INFO'} app: job {n} {'failed' if n % 4 == 0 else 'done'}\n"
            for n in range(60)
        )
    )
    other.write_text("no time here\njob x\n" * 3)
    counted = FilePatterns()
    counted.read(log)
    counted.read(other)
    counts = {one.pattern.template: one for one in counted.counts()}
    assert sum(one.count for one in counts.values()) == 66
    failed = counts["job <*> failed"]
    assert (failed.count, failed.errors) == (15, 15)
    assert failed.first is not None
    assert failed.last is not None
    assert failed.last - failed.first == 56_000_000
    assert counts["job <*> done"].errors == 0
    assert counts["no time here"].first is None
    lines = list(counted.lines())
    assert [(path, line) for path, line, _ in lines] == [(str(log), n + 1) for n in range(60)] + [
        (str(other), n + 1) for n in range(6)
    ]
    assert Counter(pattern for _, _, pattern in lines) == {one.pattern.id: one.count for one in counts.values()}


def test_nothing_has_no_patterns(tmp_path: Path) -> None:
    """An empty file is no error."""
    (tmp_path / "empty.log").touch()
    counted = FilePatterns()
    counted.read(tmp_path / "empty.log")
    assert counted.counts() == []
    assert list(counted.lines()) == []
