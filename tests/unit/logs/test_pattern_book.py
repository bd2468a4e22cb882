"""The patterns of a store while records come in: the same whatever the parts and restarts, bounded, and every record counted once."""

import random
import re
from collections import Counter
from collections.abc import Sequence

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from logs.patterns.book import OTHER, OTHER_ID, PatternBook, Template
from logs.patterns.forms import forms_of, keys_of
from logs.patterns.miner import PatternMiner
from logs.patterns.news import PatternHerald

NAMES = ["ada", "grace", "linus", "barbara", "ken", "dennis", "margaret"]
words = st.sampled_from(["user", "ada", "bob", "ken", "eve", "took", "12", "ms", "=", "id=7", "(", ")", "Started", ","])
messages = st.lists(st.lists(words, max_size=5).map(" ".join), min_size=1, max_size=40)


def rows(given_messages: Sequence[str], source: str = "app", level: int = 20, ts: int = 1_000) -> pa.Table:
    """Records of one source and level, a microsecond apart."""
    number = len(given_messages)
    return pa.table(
        {
            "message": pa.array(given_messages, pa.string()),
            "source": pa.array([source] * number),
            "level": pa.array([level] * number, pa.uint8()),
            "ts": pa.array(range(ts, ts + number), pa.timestamp("us")),
        }
    )


class Kept:
    """A book with the rows of a store: what it stored, and the numbers of all records."""

    def __init__(self, **bounds: int) -> None:
        self.bounds = bounds
        self.stored: dict[int, Template] = {}
        self.numbers: list[int] = []
        self.book = PatternBook(**bounds)

    def take(self, table: pa.Table, now: int = 5_000) -> None:
        """Number records, and store what changed."""
        self.numbers += self.book.number(table, now=now).to_pylist()
        changed = self.book.changed()
        self.stored |= {one.number: one for one in changed}
        self.book.stored(changed)

    def restart(self) -> None:
        """Another book, of what is stored."""
        self.book = PatternBook(self.stored.values(), **self.bounds)

    def ids(self) -> list[str]:
        """The pattern of each record by now, as the store would say."""
        return [self.stored[self.stored[number].pattern].id for number in self.numbers]


def mined(given_messages: Sequence[str]) -> list[str]:
    """The pattern of each message when all are known."""
    miner = PatternMiner()
    numbers = miner.add(given_messages)
    patterns, of = miner.patterns()
    return [patterns[at].id for at in of[numbers].tolist()]


def text_of(kept: Kept, number: int) -> str:
    """The text of a record's pattern."""
    return kept.stored[kept.stored[number].pattern].text


def test_records_by_parts_and_across_restarts_have_the_patterns_of_all_together() -> None:
    """However records are shuffled and divided, and however often the agent restarts, their patterns are those of one reading of all."""
    lines = [
        text
        for number in range(30)
        for text in (
            f"took {number} ms",
            f"session opened for {NAMES[number % 7]} by root",
            f"session closed for {NAMES[number % 7]}",
            f"GET /api/{number} 200",
            f"instance {('Started', 'Stopped')[number % 2]} now",
        )
    ]
    wanted = mined(lines)
    for seed in range(4):
        order = list(range(len(lines)))
        random.Random(seed).shuffle(order)
        kept = Kept()
        for begin in range(0, len(order), 7 + 20 * seed):
            kept.take(rows([lines[at] for at in order[begin : begin + 7 + 20 * seed]]))
            kept.restart()
        assert kept.ids() == [wanted[at] for at in order]
    assert Counter(wanted)[wanted[1]] == 30, "seven names are one pattern"


@given(messages, st.integers(1, 9), st.integers(1, 30))
def test_whatever_comes_every_record_has_a_stored_pattern(given_messages: list[str], size: int, most: int) -> None:
    """Each record's number leads to a stored template, and that to a pattern that stands for itself; there are no more than there may be."""
    kept = Kept(most=most, most_of_a_source=most)
    for begin in range(0, len(given_messages), size):
        kept.take(rows(given_messages[begin : begin + size]))
        if size % 2:
            kept.restart()
    assert len(kept.ids()) == len(given_messages)
    assert all(kept.stored[one.pattern].pattern == one.pattern for one in kept.stored.values())
    assert sum(not one.learned for one in kept.stored.values() if one.number != OTHER) <= most


@given(
    st.lists(st.text(alphabet="ab0123 \n/:=é\N{ARABIC-INDIC DIGIT TWO}", max_size=20), max_size=20), st.integers(0, 3)
)
def test_what_has_one_key_has_one_form(given_messages: list[str], skipped: int) -> None:
    """A key is the message with its runs of digits as one `0`, also in a part of an array; its form is that of the message."""
    messages = pa.array([*given_messages, "x1"] * 2, pa.string())[skipped:]
    keys = keys_of(messages)
    assert keys.to_pylist() == [re.sub("[0-9]+", "0", text) for text in messages.to_pylist()]
    assert forms_of(keys)[1].to_pylist() == forms_of(messages)[1].to_pylist()


def test_what_is_learned_later_rewrites_no_record() -> None:
    """The first names are patterns of their own; once there are enough, all lead to one, which was noticed with the first of them."""
    kept = Kept()
    for at, name in enumerate(NAMES):
        kept.take(rows([f"login of {name} refused"], ts=1_000 + at), now=5_000 + at)
    assert kept.numbers == sorted(set(kept.numbers)), "each has its own number"
    assert {text_of(kept, number) for number in kept.numbers} == {"login of <*> refused"}
    (pattern,) = {kept.stored[number].pattern for number in kept.numbers}
    members = [one for one in kept.stored.values() if one.pattern == pattern]
    assert (min(one.noticed for one in members), min(one.first_seen for one in members)) == (5_000, 1_000)


def test_a_known_pattern_stays_known() -> None:
    """After a restart a message with other values is the pattern it was, and nothing is new."""
    kept = Kept()
    kept.take(rows(["took 3 ms", "disk full"], level=40))
    before = dict(kept.stored)
    kept.restart()
    kept.take(rows(["took 12 ms"], level=20, ts=2_000), now=9_000)
    assert kept.numbers[-1] == kept.numbers[0]
    assert {number: one.noticed for number, one in kept.stored.items()} == dict.fromkeys(before, 5_000)
    assert kept.stored[kept.numbers[0]].level == 40, "the highest level is kept"


def test_times_are_those_of_the_records() -> None:
    """An older record moves the first time back at once; the last one is stored now and then."""
    kept = Kept()
    kept.take(rows(["tick"], ts=10_000_000_000))
    kept.take(rows(["tick"], ts=4_000_000_000))
    (one,) = kept.stored.values()
    assert (one.first_seen, one.last_seen) == (4_000_000_000, 10_000_000_000)
    assert kept.book.changed() == []
    kept.book.number(rows(["tick"], ts=10_000_000_001), now=1)
    assert kept.book.changed() == [], "a moment later is not worth a row"
    kept.book.number(rows(["tick"], ts=11_000_000_000), now=1)
    assert [changed.last_seen for changed in kept.book.changed()] == [11_000_000_000]


def test_too_many_patterns_are_counted_together() -> None:
    """A source that writes ever other messages fills its own share only; what exceeds it is `other`, and known patterns stay known."""
    chance = random.Random(1)
    flood = [" ".join(chance.choices("abcdefgh", k=8)) + " x" for _ in range(500)]
    kept = Kept(most_of_a_source=20)
    kept.take(rows(["ready to serve"]))
    for begin in range(0, 500, 100):
        kept.take(rows(flood[begin : begin + 100], source="noisy"))
    kept.take(rows(["ready to serve", "done"]))
    assert kept.ids()[0] == kept.ids()[-2] != kept.ids()[-1] != OTHER_ID
    own = [one for one in kept.stored.values() if one.source == "noisy" and not one.learned]
    assert len(own) == 20
    assert Counter(kept.ids())[OTHER_ID] >= 250


def test_a_flood_of_new_words_does_not_hide_what_is_frequent() -> None:
    """Of more new messages than are looked at in one go, the most frequent come first."""
    flood = [f"{chr(97 + n % 26)}{chr(97 + n // 26 % 26)}{chr(97 + n // 676)} once" for n in range(4_000)]
    kept = Kept()
    kept.take(rows([*flood, *["disk full"] * 50]))
    assert text_of(kept, kept.numbers[-1]) == "disk full"
    assert kept.numbers.count(OTHER) >= 1_000


def test_a_pattern_is_never_seen_once() -> None:
    """Also when it comes again, after a restart, and when the store refused it: then it is new until it was told."""
    kept = Kept()
    kept.take(rows(["took 3 ms", "disk full"]))
    assert [one.text for one in kept.book.never_seen()] == ["took <*>", "disk full"]
    kept.take(rows(["took 4 ms"]))
    assert len(kept.book.never_seen()) == 2, "not told yet"
    kept.book.told()
    kept.restart()
    kept.take(rows(["took 5 ms", "disk full", "disk gone"]))
    assert [one.text for one in kept.book.never_seen()] == ["disk gone"]


def test_what_belongs_to_a_known_pattern_is_not_new() -> None:
    """Names that together make a pattern are one; a further name is none."""
    kept = Kept()
    kept.take(rows([f"login of {name} refused" for name in NAMES[:6]]))
    assert [one.text for one in kept.book.never_seen()] == ["login of <*> refused"]
    kept.book.told()
    kept.take(rows([f"login of {NAMES[6]} refused"]))
    assert kept.book.never_seen() == []


def test_blank_messages_have_a_name() -> None:
    """Records without a word are a pattern with words for people."""
    kept = Kept()
    kept.take(rows(["", "   "]))
    assert {text_of(kept, number) for number in kept.numbers} == {"(blank)"}
    assert mined([""]) == mined(["  "])


def template(number: int, source: str = "app") -> Template:
    """A new pattern; number 15 is of an error."""
    return Template(number, (f"w{number}",), number, f"w{number}", source, 40 if number == 15 else 20, 1, 1, 1)


SECOND = 1_000_000


def test_few_new_patterns_are_told_one_by_one_and_many_together() -> None:
    """A handful at once one by one; more, or those of an import, in one sentence a source and minute; none is told twice or lost."""
    herald = PatternHerald()

    def told(numbers: Sequence[int], now_s: int, *, bulk: bool = False) -> list[tuple[int, int]]:
        news = herald.news([template(number) for number in numbers], now_s * SECOND, bulk=bulk)
        herald.told()
        assert len({one.at for one in news}) == len(news)
        return [(one.template.number, one.count) for one in news]

    assert told([1, 2], 100) == [(1, 1), (2, 1)]
    assert told(range(10, 20), 101) == [(15, 10)], "the gravest stands for all"
    assert told(range(20, 40), 102, bulk=True) == []
    assert told([50], 103) == [(50, 1)], "a single one is told while others wait"
    assert told([], 170) == [(20, 20)]


def test_a_program_with_other_words_each_time_is_told_of_together() -> None:
    """One new pattern a second for ten minutes: the first five and one a minute by themselves, the rest once a minute."""
    herald = PatternHerald()
    counts: list[int] = []
    for second in range(600):
        counts += [one.count for one in herald.news([template(second + 1)], second * SECOND, bulk=False)]
        herald.told()
    assert len(counts) < 30
    assert sum(counts) >= 530
    assert sum(count > 1 for count in counts) <= 10


def test_news_that_were_not_stored_are_given_again() -> None:
    """A write that fails loses none."""
    herald = PatternHerald()
    first = herald.news([template(1)], SECOND, bulk=False)
    assert herald.news([template(1)], SECOND, bulk=False) == first
    herald.told()
    assert herald.news([], 2 * SECOND, bulk=False) == []


@given(st.randoms(use_true_random=False))
def test_what_stands_for_others_stands_for_itself(chance: random.Random) -> None:
    """However patterns split and join while records come in, no template is of a pattern that is of another one by now."""
    names = ("box", "web", "db", "api", "x1", "x2", "x3")
    verbs, people, ends = ("start", "stop", "restart", "add"), ("root", "ann", "bob"), ("done", "failed")
    kept = Kept()
    for _ in range(20):
        kept.take(
            rows(
                [
                    f"service {chance.choice(verbs)} {chance.choice(names)} by {chance.choice(people)}: {chance.choice(ends)}"
                    for _ in range(chance.randint(1, 12))
                ]
            )
        )
        assert all(kept.stored[one.pattern].pattern == one.pattern for one in kept.stored.values())
