"""Regular expressions in linear time find what the browser's own find."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.doubles.node import run_script

COMPARE = """
const { linear, Unsupported } = await load("core/linear");
return given.map(([source, flags, text]) => {
  let own = null;
  let native;
  try { native = new RegExp(source, flags); } catch { native = null; }
  try { own = linear(source, flags); } catch (error) { return [native !== null, error instanceof Unsupported ? "refused" : "wrong"]; }
  const found = native.exec(text);
  return [own.test(text) === native.test(text), (own.find(text)?.[0] ?? null) === (found?.index ?? null)];
});"""
PATTERNS = [
    "a+b", "^no", "py.*er", "(a|b)*c$", r"\bab\b", r"\Bo", "[a-c]{2,3}x?", "[^a]b", "x{0}y", "(?:ab){2}", "(?<n>a)b", "a{,2}",
    "a{2", r"\d+\.\w*", r"\u0041", r"[\]a]", "a|", "(|a)b", "^$", "$", r"\x41\/", "a??b", "(a*)*b", "(a*)+$", "]x", "}", "[]",
    "[^]a", "a.b", "((a)|(b))+c", "(^|x)a", "a(b|$)", r"[\w.-]+:", "(a|ab)(c|bcd)*",
]  # fmt: skip
TEXTS = st.text("abcxyonopyer AB19._-/:\n]})", max_size=12)


@settings(max_examples=8)
@given(st.lists(st.tuples(st.sampled_from(PATTERNS), st.sampled_from(["", "i"]), TEXTS), min_size=100, max_size=300))
def test_the_same_is_found(cases: list[Any]) -> None:
    """Whether, and where the first match begins."""
    answers = run_script(COMPARE, cases)
    assert [case for case, answer in zip(cases, answers, strict=True) if answer != [True, True]] == []


PIECES = st.recursive(
    st.sampled_from(["a", "b", ".", "[ab]", "[^b]", r"\w", r"\b", "^", "$"]),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map("".join),
        st.tuples(inner, inner).map("|".join).map("({})".format),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{1,2}", "*?"])).map(lambda one: f"({one[0]}){one[1]}"),
    ),
    max_leaves=6,
)


@settings(max_examples=8)
@given(st.lists(st.tuples(PIECES, st.just(""), st.text("ab c", max_size=7)), min_size=100, max_size=300))
def test_any_pattern_means_the_same(cases: list[Any]) -> None:
    """Patterns of all parts, put together at random."""
    answers = run_script(COMPARE, cases)
    assert [case for case, answer in zip(cases, answers, strict=True) if answer != [True, True]] == []


def test_letters_outside_the_first_plane_are_one() -> None:
    """With the Unicode flag a sign of two units is one character, and properties are known."""
    assert run_script(
        r"""const { linear } = await load("core/linear");
        return [linear(".b", "u").find("😀b"), linear(String.raw`\p{L}+`, "iu").find("1äö"), linear("😀+", "u").find("a😀😀")]"""
    ) == [[0, 3], [1, 3], [1, 5]]
