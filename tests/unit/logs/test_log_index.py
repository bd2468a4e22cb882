"""What a query needs, and filters that say which texts are certainly not there."""

import random
import re

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from logs.core.errors import LogsError
from logs.index import grams
from logs.index.needles import need_of
from logs.index.required import Every, Literal, Need, Some, required
from logs.query.expressions import compiled
from logs.query.language import Options, parse_query
from tests.examples import examples

LETTERS = 'abkKsSiI01 ._=-:\n\t"ßſİK\u1e9eäÄσςΣ日本語é€😀'
TEXTS = st.lists(st.text(LETTERS, max_size=30), max_size=6)
PIECES = st.sampled_from([
    "abk", "KSI", "01=", "日本語", "é", "ſ", "K", "İ", ".", ".*", "x?", "s*", "k+", "a{2}", "b{0,2}", "ab{1,}", "(?:abk|KSI)", "(abk)?", "(?i)", "(?i:ksi)", "(?-i:ksi)", "(?is)", "(?P<n>01=)",
    "[ks]", "[^a]", "[]a]", "[[:alpha:]]", "[.]", r"[\]a]", r"\.", r"\d", r"\W+", r"\bab", "^", "$", r"\x41", r"\x{212A}", r"\pL", r"\p{Greek}", r"\t", "|", "(?:", ")", "a|b", r"\A", r"\z", "(?:(?:ab))", "{", "{,3}",
])  # fmt: skip


def noted(texts: list[str]) -> bytes:
    """The filter of texts."""
    return grams.filter_of([pa.array(texts, pa.string())])


def may_hold(need: Need | None, texts: list[str]) -> bool:
    """Whether the filter of these texts lets a search look at them."""
    test = grams.test_of(need)
    return test is None or test(noted(texts))


@given(TEXTS, st.data())
@settings(max_examples=examples(200), deadline=None)
def test_no_filter_denies_a_text_that_is_there(texts: list[str], data: st.DataObject) -> None:
    """Whatever part of a text is looked for, in whatever case, its filter lets the search look."""
    text = data.draw(st.sampled_from(texts or [""]))
    begin = data.draw(st.integers(0, len(text)))
    part = text[begin : data.draw(st.integers(begin, len(text)))]
    assert may_hold(Literal(part, case=True), texts)
    for written in (part, part.upper(), part.lower(), part.swapcase()):
        if compiled(re.sub(r"[^\w\s]", lambda found: f"\\x{{{ord(found[0]):X}}}", written), case=False).search(
            "\0".join(texts).encode()
        ):
            assert may_hold(Literal(written, case=False), texts)


@given(texts=TEXTS, pattern=st.lists(PIECES, min_size=1, max_size=7).map("".join), case=st.booleans())
@example(texts=["abkKSI"], pattern="(?:abk)KSI", case=True)
@example(texts=["K"], pattern="k", case=False)
@example(texts=["ſſſ"], pattern="sss", case=False)
@settings(max_examples=examples(1000), deadline=None)
def test_what_an_expression_needs_is_in_all_that_it_matches(texts: list[str], pattern: str, *, case: bool) -> None:
    """Any RE2 expression: where it finds something in a text, the filter of the texts lets the search look."""
    try:
        expression = compiled(pattern, case=case)
    except LogsError:
        return
    need = required(pattern, case=case)
    for text in texts:
        if expression.search(text.encode()):
            assert may_hold(need, texts), (pattern, need)
            assert may_hold(need, [text]), (pattern, need)


@pytest.mark.parametrize(
    ("pattern", "needed"),
    [
        (r"shard id=\d*77\d*", Every((Literal("shard id=", case=True), Literal("77", case=True)))),
        ("time(d)? ?out", Every((Literal("time", case=True), Literal("out", case=True)))),
        ("(?i)refused|reset", Some((Literal("refused", case=False), Literal("reset", case=False)))),
        ("ab+c", Every((Literal("ab", case=True), Literal("bc", case=True)))),
        (r"^\[ERROR\] (disk|memory) full$", Every((Literal("[ERROR] ", case=True), Some((Literal("disk", case=True), Literal("memory", case=True))), Literal(" full", case=True)))),
        ("[a-f]{4,}", None),
        ("(abc|)", None),
        ("(abc)*", None),
        (r"\Qa.b\E", None),
    ],
)  # fmt: skip
def test_an_expression_says_what_it_needs(pattern: str, needed: Need | None) -> None:
    """Texts that must stand there, all of them or one; nothing where it is not certain."""
    assert required(pattern, case=True) == needed


@pytest.mark.parametrize(
    ("query", "needed"),
    [
        ("refused", Literal("refused", case=False)),
        ("refused -again level>=warn", Literal("refused", case=False)),
        ("refused OR reset", Some((Literal("refused", case=False), Literal("reset", case=False)))),
        ("refused OR level>=warn", None),
        ("NOT refused", None),
        ("raw:refused", Literal("refused", case=False)),
        ("source:refused", Literal("refused", case=False)),
        ("logger=db", Every((Literal("logger=db", case=False), Literal("db", case=False)))),
        ("source=x*yz", Every((Literal("source=x", case=False), Literal("yz", case=False)))),
        ("format:/js.n/", None),
        ("a.id=4bf92f", Every((Literal("4bf92f", case=False), Literal("id", case=True), Literal("a", case=True)))),
        ("user_id=4200042", Every((Literal("4200042", case=True), Literal("user_id", case=True)))),
        ("duration>2s", Literal("duration", case=True)),
    ],
)
def test_a_query_says_what_it_needs(query: str, needed: Need | None) -> None:
    """Of the original line, the message or the fields; conditions on something else need no text."""
    node = parse_query(query, Options(0))
    assert node is not None
    assert need_of(node) == needed


def test_a_filter_tells_words_and_identities_apart() -> None:
    """In a block of many records, with a number in each, hardly a word or an identity that is not there is let through; a filter takes a fortieth of the texts."""
    rng = random.Random(5)
    words = [
        "cache",
        "worker",
        "request",
        "batch",
        "model",
        "queue",
        "retry",
        "loaded",
        "stored",
        "page",
        "shard",
        "index",
    ]
    texts = [
        f"{' '.join(rng.choices(words, k=8))} id={rng.randrange(10**9)} trace={rng.getrandbits(64):016x}"
        for _ in range(20_000)
    ]
    found = noted(texts)
    assert len(found) <= (sum(map(len, texts)) + len(texts)) / 39
    for word in ("needle", "refused", "timeout", "oom", "no such text"):
        assert grams.test_of(Literal(word, case=False))(found) is False  # type: ignore[misc] # a test there is
    there = [text[-16:] for text in texts[:200]]
    absent = [f"{rng.getrandbits(64):016x}" for _ in range(200)]
    assert all(grams.test_of(Literal(text, case=True))(found) for text in there)  # type: ignore[misc] # a test there is
    assert sum(grams.test_of(Literal(text, case=True))(found) for text in absent) <= 20  # type: ignore[misc] # a test there is
