"""What a query needs, and filters that say which texts are certainly not there."""

import json
import random
import re
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from logs.core import access
from logs.core.errors import LogsError
from logs.core.record import LogRecord
from logs.index import digits, grams, numbers
from logs.index.needles import need_of
from logs.index.required import Every, Literal, Need, Number, Some, required
from logs.query import tree
from logs.query.expressions import compiled
from logs.query.language import Options, parse_query
from logs.query.matching import column_readers
from logs.query.quantities import BYTE_UNITS, TIME_UNITS, Dimension, bare_factor, digits_of, quantity, value_of
from tests.examples import examples

LETTERS = 'abkKsSiI01 ._=-:\n\t"ßſİK\u1e9eäÄσςΣ日本語é€😀'
TEXTS = st.lists(st.text(LETTERS, max_size=30), max_size=6)
PIECES = st.sampled_from([
    "abk", "KSI", "01=", "日本語", "é", "ſ", "K", "İ", ".", ".*", "x?", "s*", "k+", "a{2}", "b{0,2}", "ab{1,}", "(?:abk|KSI)", "(abk)?", "(?i)", "(?i:ksi)", "(?-i:ksi)", "(?is)", "(?P<n>01=)",
    "[ks]", "[^a]", "[]a]", "[[:alpha:]]", "[.]", r"[\]a]", r"\.", r"\d", r"\W+", r"\bab", "^", "$", r"\x41", r"\x{212A}", r"\pL", r"\p{Greek}", r"\t", "|", "(?:", ")", "a|b", r"\A", r"\z", "(?:(?:ab))", "{", "{,3}",
])  # fmt: skip

NAMES = ["took", "p95", "http.status", "code", "wait_ms", "a/b", "x", "size_of_all_answers_bytes"]
UNITS = ["", "", "", "%", "x", "s.", *TIME_UNITS, *BYTE_UNITS]
DIGITS = st.one_of(st.integers(0, 10**6).map(str), st.integers(0, 10**26).map(str), st.floats(allow_nan=False, allow_infinity=False).map(repr),
                   st.from_regex(r"[0-9]{1,20}([.][0-9]{0,20})?([eE][-+]?[0-9]{1,3})?", fullmatch=True), st.sampled_from(["1m30s", "1h2.5m", "2µs7ns", "1e400", "NaN", "", "7.", "2026-12-01", "10.0.0.1"]))  # fmt: skip
VALUES = st.builds("{}{}{}{}".format, st.sampled_from(["", "", "-", "+"]), DIGITS, st.sampled_from(["", "", " "]), st.sampled_from(UNITS))  # fmt: skip
PAIRS = st.builds("{}{}{}{}{}".format, st.sampled_from(NAMES), st.sampled_from(["=", ":", " ", ": ", " = ", '":', "' :\n", "=:", "  =", "=  "]), st.sampled_from(["", "", '"', "'", ".", "\".'"]), VALUES,
                  st.sampled_from(["", "", '"', "'", ".", ",", ")", "}", ";", "ms", "µ", "\\", "/s", " "]))  # fmt: skip
MESSAGES = st.lists(st.one_of(PAIRS, st.sampled_from([" ", ", ", "\n", "é", "ſ", "\u212a", ".", "(", "a", ":", "{", "10:00:00"])), max_size=6).map("".join)  # fmt: skip


@st.composite
def fields(draw: st.DrawFn) -> str:
    """Fields of a record as JSON, however it is written."""
    values = st.one_of(VALUES, st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.none(), st.just([5]))
    found: dict[str, Any] = draw(st.dictionaries(st.sampled_from(NAMES), values, max_size=4))
    if draw(st.booleans()):
        found["http"] = {"status": draw(values), "deep": {"x": draw(values)}}
    separators = draw(st.sampled_from([(",", ":"), (", ", ": "), (",", "  :   ")]))
    return json.dumps(found, separators=separators, ensure_ascii=draw(st.booleans()))


def noted(texts: list[str]) -> bytes:
    """The filter of texts."""
    return grams.filter_of([grams.Texts(pa.array(texts, pa.string()))])


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


def record(message: str, named: str | None) -> LogRecord:
    """A record with these texts."""
    return LogRecord(1, 0, 1, 0, "line", 20, "app", None, None, None, "", message, None, 1, named, "json")


@given(st.lists(st.tuples(MESSAGES, st.none() | fields()), min_size=1, max_size=4))
@example([('took="1.5 s"', None)])
@example([("", '{"took":1e-05}')])
@example([("", '{"took":"1 \\u00b5s","x":"5 hou\\u0072s"}')])
@example([("took=1 nsµ", None)])
@example([("took=3", '{"took":"\\u0034"}')])
@settings(max_examples=examples(600), deadline=None)
def test_bounds_hold_whatever_a_query_reads_as_a_number(written: list[tuple[str, str | None]]) -> None:
    """Pairs in messages and values of fields, with signs, units, exponents, in quotes, in odd forms: a search for the number itself looks at the block."""
    bounds, ends = numbers.Bounds(), b"\n" * digits.MARGIN
    bounds.note(ends + "\n".join(text for texts in written for text in texts if text is not None).encode() + ends)
    found = bounds.packed()
    for name, read in column_readers(NAMES).items():
        for one in written:
            text = read(record(*one))
            for dimension in ("", "time", "bytes") if text is not None else ():
                for node in asked(name, text or "", dimension):
                    for number in (need for need in parts_of(need_of(node)) if isinstance(need, Number)):
                        test = numbers.may_have(number)
                        assert test is not None
                        assert test(found), (one, node)


def asked(name: str, text: str, dimension: Dimension) -> list[tree.Node]:
    """Conditions on a field that just this value satisfies."""
    number, field = value_of(text, dimension, bare_factor(name, dimension)), tree.Field(name)
    nodes: list[tree.Node] = []
    if number is not None:
        nodes += [tree.Compares(field, sign, number, dimension, text) for sign in ("<=", ">=")]
    said = re.match(r"[-+]?[0-9]+(?:[.][0-9]+)?(?= ?(?:[A-Za-zµμ]{1,7}|%)?$)", text) if not dimension else None
    if said is not None and number is not None:
        plain = ("-" if text.startswith("-") else "") + (digits_of(said[0]) or "")
        measured = quantity(plain)
        nodes += [] if measured is None else [tree.Equals(field, plain, False, measured.number)]
    return nodes


@pytest.mark.parametrize(
    ("text", "there", "absent"),
    [
        ("served took=250ms", ("took>=250ms", "took<1s", "took>249", "took=250", "took=9S"), ("took>250ms", "took<250ms", "took>250", "took<1", "took>1B", "tock>0")),
        ("wait_ms=250 a.wait_ms=90", ("wait_ms<0.1s", "wait_ms>=250"), ("wait_ms>251ms", "wait_ms<90")),
        ('{"code": 503, "at": "10:00:00"}', ("code>=500", "code=503", "http.code:5xx", "code:>502"), ("code>503", "code=504", "code:4xx")),
        ('size: "3 MiB", size=5kB', ("size>3MB", "size<=5000B"), ("size>4MB", "size<5kB")),
        ("lr=1e-05 loss=0.693147180559945", ("lr<=0.00001", "loss<0.7", "loss>=0.693147180559945"), ("lr<0.00001", "loss>0.693147180559945")),
        ("went for 1m30.5s: took=1m30.5s.", ("took>90s", "for>89s"), ("took>91s", "went>0")),
        ("id=123456789012345678901 id=7", ("id>123456789012345600000",), ("id>123456789012350000000", "id<7")),
        ("x=99999999999999999999999999 y=1", ("x>5", "x<5"), ("y>1",)),
        ("it took 250 ms, 7 of 9", ("took>0.2s", "took>=250", "of<10"), ("took<200ms", "of>9", "it>0")),
        ("change=-3.5%, left=+2", ("change<0", "left>1"), ("change>=0", "change<-4", "left<0")),
    ],
)  # fmt: skip
def test_bounds_tell_which_numbers_are_not_there(text: str, there: tuple[str, ...], absent: tuple[str, ...]) -> None:
    """By name, in the units of time and bytes; of what cannot be told nothing is denied."""
    for query, may in [(query, True) for query in there] + [(query, False) for query in absent]:
        node = parse_query(query, Options(0))
        assert node is not None
        tests = [grams.test_of(part) for part in parts_of(need_of(node)) if isinstance(part, Number)]
        assert all(test is not None and test(noted([text])) for test in tests) is may, query


@pytest.mark.parametrize(
    ("text", "there", "absent"),
    [
        ('10.0.0.7 - - [t] "GET /a HTTP/1.1" 404 512 "-" "curl"', ("status>=400", "status=404", "status:4xx", "bytes>500", "bytes<1kB", "client:0.0.7", "path=/a"),
         ("duration<1s", "status>404", "status=200", "bytes>512", "bytes<512", "client:10.0.0.8", "path=/bcd")),
        ('127.0.0.1:5 - "GET /a HTTP/1.1" 200 OK', ("status<300", "method=GET"), ("status>=500", "bytes>0", "method=POST")),
        ('"GET /a HTTP/1.1" 200 5 "-" "curl/1.2345" rt=0.250 "3.5ms" 7µs, 1.5s.', ("duration>=250ms", "duration<8us", "duration>0.2", "duration=3.5", "duration=250ms"), ("duration>250ms", "duration<6us", "duration>7")),
        ('"GET /a HTTP/1.1" - 5 0.250', ("duration>0.2", "duration<1s", "bytes>4"), ("duration>1s", "duration<0.2", "bytes>5")),
        ('"GET /a HTTP/1.1" 200 5 10.0.123 a7s 99.12 12.1234567', (), ("duration>0",)),
        ("200 GET /a (::1) 3.1ms", ("status<300", "status>=500", "duration>1ms"), ("path:/bcd",)),
        ('"status" 77 of "x" 2000, took', (), ("status>=0", "bytes>0", "duration>0", "client:x")),
    ],
)  # fmt: skip
def test_the_needs_of_access_logs_let_none_of_their_lines_out(
    text: str, there: tuple[str, ...], absent: tuple[str, ...]
) -> None:
    """Where a value has no name beside it: the numbers behind a request have bounds, and texts must be there."""
    found = noted([text])
    for query, may in [(query, True) for query in there] + [(query, False) for query in absent]:
        node = parse_query(query, Options(0))
        test = None if node is None else grams.test_of(need_of(node))
        assert test is not None
        assert test(found) is may, query


@given(st.sampled_from(["200", "-", "99"]), st.lists(st.one_of(VALUES, st.sampled_from([" ", " ", '"', "=", ",", "\n", "-", '"a 1.234 b"', "rt=", "0.123", "99.123456", "7ms", "1.5s"])), max_size=6).map("".join))  # fmt: skip
@example("200", f"{'1.' * 40}123")
@example("-", "99999999999999999999999999.123")
@settings(max_examples=examples(150), deadline=None)
def test_bounds_hold_what_is_read_behind_a_request(status: str, rest: str) -> None:
    """Status, bytes and duration, in whatever form: a search for the number itself looks at the block."""
    line, bounds, ends = f'a "GET /b HTTP/1.1" {status} {rest}', numbers.Bounds(), b"\n" * digits.MARGIN
    bounds.note(ends + line.encode() + ends)
    for name in ("status", "bytes", "duration"):
        text = access.value(name, line)
        for dimension in ("", "time") if text is not None else ():
            for node in asked(name, text or "", dimension):
                assert may_be(need_of(node), line, bounds.packed()), (text, node)


def may_be(need: Need | None, line: str, bounds: bytes) -> bool:
    """Whether a line with these bounds may have what is needed."""
    match need:
        case Literal(text):
            return text in line
        case Number():
            test = numbers.may_have(need)
            return test is None or test(bounds)
        case Every(parts) | Some(parts):
            return (all if isinstance(need, Every) else any)(may_be(part, line, bounds) for part in parts)
        case _:
            return True


def parts_of(need: Need | None) -> list[Need]:
    """What is needed, without what only joins it: of alternatives the last."""
    match need:
        case None:
            return []
        case Every(parts):
            return [one for part in parts for one in parts_of(part)]
        case Some(parts):
            return parts_of(parts[-1])
        case _:
            return [need]


def test_bounds_are_kept_for_a_bounded_number_of_names() -> None:
    """Names with most numbers keep their bounds; of the others nothing is denied, and the filter stays small."""
    texts = [f"took={number}ms n{number}={number}" for number in range(3000)]
    found = noted(texts)
    assert len(found) < sum(map(len, texts)) / 39 + 13000
    names = ["took", "absent", *(f"n{number}" for number in range(3000))]
    tests = {name: grams.test_of(Number(name, ">", 3500.0)) for name in names}
    denied = [name for name, test in tests.items() if test is not None and not test(found)]
    assert denied[0] == "took"
    assert "absent" not in denied
    assert len(denied) <= 512


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
        (
            "user_id=4200042",
            Every((Literal("4200042", case=True), Literal("user_id", case=True), Number("user_id", "=", 4200042.0))),
        ),
        ("took>2s", Every((Literal("took", case=True), Number("took", ">", 2.0, True)))),
        ("took>2", Every((Literal("took", case=True), Number("took", ">", 2.0)))),
        ("wait_ms<=2s", Every((Literal("wait_ms", case=True), Number("wait_ms", "<=", 2.0, True, 0.001)))),
        ("NOT took>2s", None),
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
