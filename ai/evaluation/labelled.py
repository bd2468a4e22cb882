"""The labelled postings: text with marks becomes text and labels, so that a label cannot disagree with its posting."""

import html
import re
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, Literal

from ai.core.errors import InputError
from ai.shapes.posting import Salary

FOLDER: Final = Path(__file__).parent / "postings"
Split = Literal["development", "held-out"]
"""What the rules may be made with, and what they are only measured on."""
CODES: Final = {
    "t": "title", "c": "company", "l": "locations", "s": "skills_required", "p": "skills_preferred", "rem": "remote_policy",
    "emp": "employment_type", "sen": "seniority", "pay": "salary", "y": "years_experience", "lang": "languages", "ed": "education",
    "rf": "red_flags",
}  # fmt: skip
MANY: Final = ("locations", "skills_required", "skills_preferred", "languages", "red_flags")
_OPEN: Final = re.compile(r"\{\{(?P<code>[a-z]+)(?: (?P<value>[^|{}]*))?\|")
_PAY: Final = re.compile(r"(?P<low>[\d.]+)-(?P<high>[\d.]*) (?P<currency>[A-Z]{3})(?: (?P<period>\w+))?")


@dataclass(frozen=True, slots=True)
class Label:
    """One labelled value: what it is, and the span of the text that says so."""

    field: str
    value: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class LabelledPosting:
    """A posting with what is in it; `traps` names what makes it hard."""

    id: str
    language: str
    traps: tuple[str, ...]
    text: str
    labels: tuple[Label, ...] = field(default=())

    @property
    def split(self) -> Split:
        """Held-out when the posting's header says so."""
        return "held-out" if "held_out" in self.traps else "development"

    def value(self, name: str) -> str | None:
        """The value of a field that has one value at most; None when the posting does not say."""
        return next((label.value for label in self.labels if label.field == name), None)

    def values(self, name: str) -> list[str]:
        """The values of a field that may have several, each once."""
        return list(dict.fromkeys(label.value for label in self.labels if label.field == name))

    def salary(self) -> Salary | None:
        """The labelled salary."""
        value = self.value("salary")
        return None if value is None else parse_pay(value)


def parse_pay(value: str) -> Salary:
    """`70000-85000 GBP year` as a salary; `14.5- GBP hour` is one amount.

    Raises:
        InputError: it is written otherwise.
    """
    match = _PAY.fullmatch(value)
    if match is None:
        msg = f"A pay label must look like '70000-85000 GBP year', not '{value}'."
        raise InputError(msg, hint="See ai/evaluation/postings/README.md.")
    low = float(match["low"])
    high = float(match["high"]) if match["high"] else low
    return Salary.model_validate(
        {"minimum": low, "maximum": high, "currency": match["currency"], "period": match["period"]}
    )


def parse_marked(marked: str) -> tuple[str, tuple[Label, ...]]:
    """The text without marks, and its labels in order of their start.

    Raises:
        InputError: an unknown or unclosed mark.
    """
    out: list[str] = []
    size = at = 0
    opened: list[tuple[str, str | None, int]] = []
    labels: list[Label] = []
    while at < len(marked):
        if mark := _OPEN.match(marked, at):
            if mark["code"] not in CODES:
                msg = f"'{mark['code']}' is no mark."
                raise InputError(msg, hint="See ai/evaluation/postings/README.md.")
            opened.append((CODES[mark["code"]], mark["value"], size))
            at = mark.end()
        elif opened and marked.startswith("}}", at):
            name, value, start = opened.pop()
            labels.append(Label(name, value or html.unescape("".join(out)[start:]), start, size))
            at += 2
        else:
            out.append(marked[at])
            size += 1
            at += 1
    if opened:
        msg = f"The mark of {opened[-1][0]} is not closed."
        raise InputError(msg, hint="Every {{…| needs its }}.")
    return "".join(out), tuple(sorted(labels, key=lambda label: (label.start, -label.end)))


def load_postings(folder: Path = FOLDER, *, split: Split | None = None) -> list[LabelledPosting]:
    """The labelled postings, or those of one split, by file and order of writing.

    Raises:
        InputError: a file is not as README.md there says.
    """
    filler = _filler(folder / "filler.txt")
    postings: list[LabelledPosting] = []
    for path in sorted(folder.glob("*.txt")):
        if path.name != "filler.txt":
            postings.extend(_parse_file(path.read_text(encoding="utf-8"), filler))
    return [p for p in postings if split in {None, p.split}]


def unseen_postings(limit: int | None = None) -> list[LabelledPosting]:
    """The first `limit` held-out postings in an order that mixes languages, the very long ones last; all without a limit."""
    turn: dict[str, int] = {}
    keyed = []
    for posting in load_postings(split="held-out"):
        turn[posting.language] = turn.get(posting.language, 0) + 1
        keyed.append(("very_long" in posting.traps, turn[posting.language], posting.language, posting.id, posting))
    ordered = [row[-1] for row in sorted(keyed, key=lambda row: row[:4])]
    return ordered if limit is None else ordered[:limit]


def _parse_file(content: str, filler: dict[str, list[str]]) -> list[LabelledPosting]:
    postings = []
    for block in re.split(r"^=== ", content, flags=re.MULTILINE)[1:]:
        head, _, body = block.partition("\n")
        name, language, *traps = head.split()
        sentences = filler.get(language, [])
        body = re.sub(r"^@@fill (\d+)$", partial(_fill_match, sentences), body, flags=re.MULTILINE)
        text, labels = parse_marked(body.strip("\n"))
        postings.append(LabelledPosting(name, language, tuple(traps[0].split(",")) if traps else (), text, labels))
    return postings


def _filler(path: Path) -> dict[str, list[str]]:
    if not path.exists():
        return {}
    sentences: dict[str, list[str]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        language, _, sentence = line.partition(": ")
        sentences.setdefault(language, []).append(sentence)
    return sentences


def _fill_match(sentences: list[str], match: re.Match[str]) -> str:
    return _fill(sentences, int(match[1]))


def _fill(sentences: list[str], count: int) -> str:
    if not sentences:
        return ""
    lines = [" ".join(sentences[(i + j) % len(sentences)] for j in range(5)) for i in range(0, count, 5)]
    return "\n".join(lines)
