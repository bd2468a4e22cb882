"""The patterns of a store: which pattern each record has, kept while records come in, for as long as they are kept.

A record gets the number of its template, and never another one. A template is the skeleton of messages; what is learned later about which of its words are values
is written to the template (`pattern`: the number of the template that stands for all that are alike), so that no record has to be written again. Numbers are
small because each record holds one; the public `id` follows from the words alone, as in `PatternMiner`.

Everything is bounded: templates of a source, templates in all, new forms that are looked at for each record. What goes beyond has the number `OTHER`, and is counted
there. One thread uses a book.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pyarrow as pa

from logs.core.timestamps import SECOND
from logs.patterns.forms import Forms, KnownForms, Numbers, forms_of, keys_of, shortened
from logs.patterns.learning import Rounds, learn, pattern_of
from logs.patterns.miner import id_of, template_of
from logs.patterns.skeleton import Skeleton, skeleton_of

OTHER: Final = 0
"""The number of what has no pattern of its own, because there were too many."""
OTHER_ID: Final = "other"
OTHER_TEXT: Final = "Other messages"
MOST: Final = 10_000
MOST_OF_A_SOURCE: Final = 1_000
_ENOUGH: Final = 64
"""Templates of one pattern that are kept apart: later ones count for the pattern at once."""
_CREDIT: Final = 2_000
"""New forms that may be looked at in one go; for every `_EARNS` records there is one more."""
_EARNS: Final = 300
_FEW: Final = 10
_FEW_KEYS: Final = 1_024
"""Of more keys than that, those of one message are not kept."""
_MOST_LOOKED_THROUGH: Final = 16_384
"""Records without a known form of which the most frequent forms are chosen."""
_LAST_SEEN_STEP: Final = 600 * SECOND
"""The stored `last_seen` is at most so much older than the true one."""
_LEARN_AGAIN: Final = 50
"""What a template's neighbours teach is learned again when their number has grown by one in so many."""


@dataclass(slots=True)
class Template:
    """Messages with the same words. Times are µs: `first_seen` and `last_seen` of the records, `noticed` of the clock when the first came in.

    `pattern`: the number of the template that stands for this one, itself included. `learned`: no message gave these words, several together did. `source`: of the
    first record. `level`: the highest.
    """

    number: int
    words: Skeleton
    pattern: int
    example: str
    source: str
    level: int
    first_seen: int
    last_seen: int
    noticed: int
    learned: bool = False

    @property
    def id(self) -> str:
        """The public identity of its words."""
        return OTHER_ID if self.number == OTHER else id_of(self.words)

    @property
    def text(self) -> str:
        """Its example with `<*>` for values."""
        return self.example if self.number == OTHER else template_of(self.example, self.words)


@dataclass(slots=True)
class _Group:
    """Templates whose messages begin with the same word: they learn from each other alone. `fresh`: how many were not learned from yet."""

    members: list[Template] = field(default_factory=list)
    patterns: list[Template] = field(default_factory=list)
    """Templates that no message gave, several together did."""
    fresh: int = 0
    _rounds: Rounds | None = None

    def take(self, template: Template) -> None:
        """One more."""
        (self.patterns if template.learned else self.members).append(template)
        self.fresh += not template.learned

    @property
    def due(self) -> bool:
        """Whether there is something to learn."""
        return self.fresh > len(self.members) // _LEARN_AGAIN

    @property
    def rounds(self) -> Rounds:
        """What was learned last."""
        return self.learn()[1] if self._rounds is None else self._rounds

    def learn(self) -> tuple[dict[Skeleton, Skeleton], Rounds]:
        """The words of each member's pattern, and what leads there. What stands for another stands for itself, too."""
        self.fresh = 0
        learned, self._rounds = learn(template.words for template in self.members)
        for words in learned:
            while (further := learned.get(learned[words], learned[words])) != learned[words]:  # more values each time
                learned[words] = further
        return learned, self._rounds


@dataclass(frozen=True, slots=True)
class _Sight:
    """What a template is seen in: a record's source, level and time, and the present."""

    source: str
    level: int
    ts: int
    now: int


class _Columns:
    """What a book reads of records besides their messages."""

    def __init__(self, records: pa.Table, now: int) -> None:
        self._sources, self._now = records.column("source"), now
        self.times = records.column("ts").cast(pa.int64()).to_numpy()
        self.levels = records.column("level").to_numpy().astype(np.int64)

    def sight(self, at: int) -> _Sight:
        """Of one record."""
        return _Sight(self._sources[at].as_py(), int(self.levels[at]), int(self.times[at]), self._now)


class PatternBook:
    """Numbers records by their template. `number` them, store what has `changed` with them, and say so (`stored`).

    >>> book = PatternBook()
    >>> numbers = book.number(pa.table({"message": ["took 3 ms", "took 4 ms"], "source": ["a", "a"], "level": [20, 20], "ts": [1, 2]}), now=2)
    >>> [(template.text, template.id) for template in book.changed()]
    [('took <*>', '6bd03e2ea2d2a7c7')]
    """

    def __init__(
        self, kept: Iterable[Template] = (), *, most: int = MOST, most_of_a_source: int = MOST_OF_A_SOURCE
    ) -> None:
        self._most, self._most_of_a_source = most, most_of_a_source
        self._templates: dict[int, Template] = {}
        self._numbers: dict[Skeleton, int] = {}
        self._forms, self._keys = KnownForms(), KnownForms()
        self._groups: dict[Skeleton, _Group] = defaultdict(_Group)
        self._of_source: dict[str, int] = defaultdict(int)
        self._members: dict[int, int] = defaultdict(int)
        self._last_stored: dict[int, int] = {}
        self._credit, self._earns = _CREDIT, _EARNS
        self._dirty: dict[int, None] = {}
        self._fresh: set[int] = set()
        self._next = OTHER + 1
        for template in kept:
            self._take(template)
        for group in self._groups.values():
            group.fresh = 0
        self.stored(self._templates.values())
        self.told()

    def number(self, records: pa.Table, *, now: int) -> pa.Array:
        """The template's number of each record. The table has the columns `message`, `source`, `level` and `ts`; `now` is µs."""
        columns = _Columns(records, now)
        messages = shortened(records.column("message"))
        keys = keys_of(messages)
        found = self._keys.of(keys)
        self._credit = min(_CREDIT, self._credit + max(_FEW, records.num_rows // self._earns))
        unknown = np.flatnonzero(found < 0)
        while len(unknown):
            part, unknown = unknown[:_MOST_LOOKED_THROUGH], unknown[_MOST_LOOKED_THROUGH:]
            found[part] = self._looked_at(messages, keys, part, columns)
            if np.count_nonzero(found[part] > OTHER) < len(part) // 2:  # the rest is hardly better known
                break
            found[unknown] = self._keys.of(keys.take(pa.array(unknown)))
            unknown = unknown[found[unknown] < 0]
        found[found < 0] = OTHER
        if OTHER not in self._templates and (others := np.flatnonzero(found == OTHER)).size:
            seen = columns.sight(int(others[0]))
            self._take(Template(OTHER, (), OTHER, OTHER_TEXT, "", seen.level, seen.ts, seen.ts, now))
            self._dirty[OTHER] = None
        self._see(found, columns)
        self._learn()
        return pa.array(found, pa.int64())

    def _looked_at(self, messages: pa.Array, keys: pa.Array, part: Numbers, columns: _Columns) -> Numbers:
        """The numbers of the messages at `part`, whose keys are not known; -1 where there is no credit left."""
        different = Forms(keys.take(pa.array(part)))
        places = part[different.first]
        heads, forms = forms_of(messages.take(pa.array(places)))
        numbers = self._forms.of(forms)
        missing = np.flatnonzero(numbers < 0)
        if len(missing):
            new, rows = Forms(forms.take(pa.array(missing))), different.counts[missing]
            numbers[missing] = self._new_forms(new, rows, heads.take(pa.array(missing)), places[missing], columns)
        few = len(different.texts) <= _FEW_KEYS
        for key, number, rows in zip(different.texts, numbers.tolist(), different.counts.tolist(), strict=True):
            if number > OTHER and (few or rows > 1):
                self._keys.keep(key, number)
        found: Numbers = numbers[different.of]
        return found

    def _new_forms(self, forms: Forms, rows: Numbers, heads: pa.Array, places: Numbers, columns: _Columns) -> Numbers:
        """The numbers of messages whose forms are not known, those of most `rows` first. `places`: theirs among all."""
        numbers = np.full(len(forms.texts), -1, np.int64)
        counts = np.bincount(forms.of, weights=rows, minlength=len(forms.texts))
        order = np.argsort(-counts, kind="stable")[: self._credit]
        for form in order.tolist():
            first = int(forms.first[form])
            sight = columns.sight(int(places[first]))
            numbers[form] = self._number(forms.texts[form], heads[first].as_py(), sight)
        self._spend(len(order), int(np.count_nonzero(numbers[order] != OTHER)))
        found: Numbers = numbers[forms.of]
        return found

    def changed(self) -> list[Template]:
        """Templates that are new, or have changed, since they were `stored`."""
        return [self._templates[number] for number in self._dirty]

    def never_seen(self) -> list[Template]:
        """The patterns of which nothing was known until they were last `told`: whatever belongs to them is as new."""
        members = Counter(self._templates[number].pattern for number in self._fresh)
        return [
            self._templates[pattern]
            for pattern, fresh in sorted(members.items())
            if pattern != OTHER and fresh == self._members[pattern]
        ]

    def told(self) -> None:
        """All patterns are known from now on."""
        self._fresh.clear()

    def stored(self, templates: Iterable[Template]) -> None:
        """Those that `changed` gave are stored."""
        for template in templates:
            self._dirty.pop(template.number, None)
            self._last_stored[template.number] = template.last_seen

    def _number(self, form: str, example: str, sight: _Sight) -> int:
        """The number of a form that is not known yet."""
        skeleton = skeleton_of(form)
        number = self._numbers.get(skeleton)
        if number is None:
            pattern = self._pattern(pattern_of(skeleton, self._groups[skeleton[:1]].rounds))
            crowded = pattern is not None and self._members[pattern] >= _ENOUGH
            if not crowded and self._has_room(sight.source):
                number = self._new(skeleton, example, sight, pattern).number
            else:
                number = OTHER if pattern is None else pattern
        if number != OTHER:
            self._forms.keep(form, number)
        return number

    def _pattern(self, words: Skeleton) -> int | None:
        """The pattern of the template with these words, None without one."""
        number = self._numbers.get(words)
        return None if number is None else self._templates[number].pattern

    def _spend(self, looked_at: int, numbered: int) -> None:
        """Looking at forms that lead nowhere earns nothing."""
        self._credit -= looked_at
        if looked_at > _FEW and numbered < looked_at // _FEW:
            self._credit = min(self._credit, _FEW)
            self._earns = _EARNS * _FEW
        else:
            self._earns = _EARNS

    def _has_room(self, source: str) -> bool:
        return len(self._templates) < self._most and self._of_source[source] < self._most_of_a_source

    def _new(
        self, words: Skeleton, example: str, sight: _Sight, pattern: int | None, *, learned: bool = False
    ) -> Template:
        number = self._next
        made = Template(
            number, words, number if pattern is None else pattern, example, sight.source, sight.level, sight.ts, sight.ts, sight.now, learned
        )  # fmt: skip
        self._take(made)
        self._dirty[number] = None
        return made

    def _take(self, template: Template) -> None:
        self._templates[template.number] = template
        self._fresh.add(template.number)
        self._next = max(self._next, template.number + 1)
        if template.number == OTHER:
            return
        self._numbers[template.words] = template.number
        self._members[template.pattern] += 1
        self._of_source[template.source] += not template.learned
        self._groups[template.words[:1]].take(template)

    def _see(self, numbers: Numbers, columns: "_Columns") -> None:
        """Note when each template was seen, and how bad it was."""
        present, places = np.unique(numbers, return_inverse=True)
        first = np.full(len(present), np.iinfo(np.int64).max)
        last, level = np.full(len(present), np.iinfo(np.int64).min), np.zeros(len(present), np.int64)
        np.minimum.at(first, places, columns.times)
        np.maximum.at(last, places, columns.times)
        np.maximum.at(level, places, columns.levels)
        for number, *seen in zip(present.tolist(), first.tolist(), last.tolist(), level.tolist(), strict=True):
            template = self._templates[number]
            if seen[0] < template.first_seen or seen[2] > template.level:
                template.first_seen, template.level = min(template.first_seen, seen[0]), max(template.level, seen[2])
                self._dirty[number] = None
            template.last_seen = max(template.last_seen, seen[1])
            if template.last_seen > self._last_stored.get(number, template.last_seen) + _LAST_SEEN_STEP:
                self._dirty[number] = None

    def _learn(self) -> None:
        """Learn from new templates, and note whose pattern is another one now."""
        for group in [group for group in self._groups.values() if group.due]:
            learned, _ = group.learn()
            moved: dict[int, int] = {}
            held: set[int] = set()  # patterns that a member has now
            for template in group.members:
                words = learned[template.words]
                if words not in self._numbers:
                    sight = _Sight(template.source, template.level, template.first_seen, template.noticed)
                    self._new(words, template.example, sight, None, learned=True)
                held.add(self._numbers[words])
                moved.setdefault(template.pattern, self._numbers[words])
                self._move(template, self._numbers[words])
            for template in group.patterns:
                stays = template.number in held  # also when some of its members left it
                self._move(template, template.number if stays else moved.get(template.pattern, template.pattern))

    def _move(self, template: Template, pattern: int) -> None:
        if template.pattern != pattern:
            self._members[template.pattern] -= 1
            self._members[pattern] += 1
            template.pattern = pattern
            self._dirty[template.number] = None
