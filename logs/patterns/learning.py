"""Which words of skeletons are values: those in whose place many different words stand.

A place is known by the word that a message begins with, the two words before it and the one behind. Objects that a program prints with their fields are values, too,
where messages differ in nothing else. What is learned depends on the set of skeletons alone, and never on skeletons that begin with another word.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from logs.patterns.skeleton import VALUE, Skeleton, lists_as_one, without_fields

_MANY: Final = 4.0
"""From this weight of different words on, a place holds values."""
_STATE: Final = 1 / 3
"""What a word weighs that is written like a state."""
_MANY_NAMES: Final = 100
"""So many different names of values in quotes, as JSON has them, are data themselves."""
_KEY: Final = '":'
"""Stands behind such a name."""
_QUOTES: Final = frozenset("\"'")
_ROUNDS: Final = 6
_EDGE: Final = ""
Place = tuple[str, str, str, str]
"""How a message begins, the two words before a place in it, and the one behind."""


class Round(NamedTuple):
    """What is a value: the words in these places; or else the fields of objects, also their names if `names`, where a skeleton is one of `bare` without them."""

    places: frozenset[Place]
    bare: frozenset[Skeleton] = frozenset()
    names: bool = False


Rounds = Sequence[Round]
"""In the order in which they are found: each sees what the one before left."""


def learn(skeletons: Iterable[Skeleton]) -> tuple[dict[Skeleton, Skeleton], list[Round]]:
    """Each skeleton with the words of its pattern, and the rounds that lead there."""
    now = {skeleton: skeleton for skeleton in skeletons}
    rounds: list[Round] = []
    while len(rounds) < _ROUNDS and (found := _round(set(now.values()))):
        taken = {skeleton: _after(skeleton, found) for skeleton in set(now.values())}
        now = {skeleton: taken[words] for skeleton, words in now.items()}
        rounds.append(found)
    return now, rounds


def pattern_of(skeleton: Skeleton, rounds: Rounds) -> Skeleton:
    """The words of the pattern of a skeleton by what was learned from others."""
    for found in rounds:
        skeleton = _after(skeleton, found)
    return skeleton


def _round(skeletons: set[Skeleton]) -> Round | None:
    """What these have for values beside those that they say themselves; None for nothing."""
    if places := _varied(skeletons):
        return Round(places)
    for names in (False, True):
        same = Counter(without_fields(skeleton, names=names) for skeleton in skeletons)
        if bare := frozenset(skeleton for skeleton, count in same.items() if count > 1):
            return Round(frozenset(), bare, names)
    return None


def _after(skeleton: Skeleton, found: Round) -> Skeleton:
    if found.places:
        return _without(skeleton, found.places)
    bare = without_fields(skeleton, names=found.names)
    return bare if bare in found.bare else skeleton


def _places(skeleton: Skeleton) -> Iterator[tuple[int, Place]]:
    """Where a word of a skeleton may be a value. What begins a message says what it is about, however many such words there are; what names a value is none."""
    if not skeleton:
        return
    first, behind = skeleton[0], (*skeleton[1:], _EDGE, _EDGE)
    before, word = _EDGE, first
    for at in range(1, len(skeleton)):
        two_before, before, word = before, word, skeleton[at]
        if word[0].isalnum() or word[0] == "_" or word == VALUE:
            following = behind[at]
            if following in _QUOTES and behind[at + 1] == ":" and before == following and two_before in {"{", ","}:
                following = _KEY
            if following != "=" and not (following == ":" and behind[at + 1] == VALUE):
                yield at, (first, two_before, before, following)


def _varied(skeletons: Iterable[Skeleton]) -> frozenset[Place]:
    """The places in which many different words stand."""
    words: dict[Place, set[str]] = defaultdict(set)
    for skeleton in skeletons:
        for at, place in _places(skeleton):
            words[place].add(skeleton[at])
    return frozenset(place for place, found in words.items() if _are_values(found, names=place[-1] == _KEY))


def _are_values(words: set[str], *, names: bool) -> bool:
    """Whether the words of a place are values: many different ones, or a name beside what is a value by its form (`index` beside `page-7`)."""
    if names:
        return len(words) >= _MANY_NAMES
    weights = [_weight(word) for word in words if word != VALUE]
    return sum(weights) >= _MANY or (len(weights) < len(words) and 1.0 in weights)


def _without(skeleton: Skeleton, varied: frozenset[Place]) -> Skeleton:
    values = {at for at, place in _places(skeleton) if place in varied}
    if not values:
        return skeleton
    words: list[str] = []
    for at, word in enumerate(skeleton):
        text = VALUE if at in values else word
        if text != VALUE or not words or words[-1] != VALUE:
            words.append(text)
    return lists_as_one(tuple(words))


def _weight(word: str) -> float:
    state = (word.isupper() and len(word) > 1) or (word[:1].isupper() and word[1:].islower())
    return _STATE if state else 1.0
