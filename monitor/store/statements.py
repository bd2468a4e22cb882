"""The SQL files: loaded once, their sections chosen by the parameters given.

A file is plain SQL with `$name` parameters and marker lines of its own:

    -- :if level            kept when parameter `level` is given and not None (nor False)
    AND level >= $level
    -- :else                kept otherwise
    AND TRUE
    -- :end
    -- :each metric         repeated for every item of the list `metric`, `{metric}` replaced by the item
    , avg({metric}) AS {metric}_avg
    -- :end
    -- :use log_filter      `parts/log_filter.sql` stands here

Sections nest. Items of an `:each` are identifiers (`[a-z][a-z0-9_]*`), so no text of a user reaches the SQL.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from monitor.errors import QueryError, StoreError
from monitor.store.interface import ParamValue

QUERIES: Final = Path(__file__).parent / "queries"
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_MARKER = re.compile(r"\s*--\s*:(if|else|each|end|use)\b\s*([a-z][a-z0-9_]*)?\s*$")
_PARAM = re.compile(r"(?<![\w$])\$([a-z][a-z0-9_]*)")


@dataclass(slots=True)
class _Section:
    """A run of lines and nested sections; `kind` is `all`, `if` or `each`."""

    kind: str
    name: str = ""
    body: "list[str | _Section]" = field(default_factory=list)
    otherwise: "list[str | _Section] | None" = None


class Statements:
    """The queries of one folder by name.

    Args:
        folder: where the `.sql` files lie.
    """

    def __init__(self, folder: Path = QUERIES) -> None:
        self._folder = folder
        self._parsed: dict[str, _Section] = {}

    def names(self) -> list[str]:
        """Every query there is, sorted."""
        return sorted(path.stem for path in self._folder.glob("*.sql"))

    def parameters(self, name: str) -> set[str]:
        """Every parameter the query knows: bound, or choosing a section."""
        return _known(self._load(name))

    def render(self, name: str, params: Mapping[str, ParamValue]) -> tuple[str, dict[str, ParamValue]]:
        """The SQL for these parameters, and those of them that it binds.

        Raises:
            QueryError: the query or a parameter does not exist, one is missing, or an item is no identifier.
        """
        section = self._load(name)
        if unknown := params.keys() - _known(section):
            raise QueryError(
                f"Query {name} has no parameter {', '.join(sorted(unknown))}.",
                hint=f"It knows {', '.join(sorted(_known(section))) or 'none'}.",
            )
        lines: list[str] = []
        _expand(section.body, params, {}, lines)
        sql = "\n".join(lines)
        wanted = set(_PARAM.findall(_strip_comments(sql)))
        if missing := wanted - params.keys():
            raise QueryError(f"Query {name} lacks parameter {', '.join(sorted(missing))}.", hint="Give a value for it.")
        return sql, {key: params[key] for key in wanted}

    def _load(self, name: str) -> _Section:
        parsed = self._parsed.get(name)
        if parsed is None:
            if not _NAME.fullmatch(name) or not (path := self._folder / f"{name}.sql").is_file():
                raise QueryError(f"There is no query named {name!r}.", hint=f"Known: {', '.join(self.names())}.")
            parsed = self._parsed[name] = _parse(name, path.read_text(encoding="utf-8"), self._folder / "parts")
        return parsed


def _parse(name: str, text: str, parts: Path) -> _Section:
    root = _Section("all")
    stack = [root]
    current = root.body
    for number, line in enumerate(text.splitlines(), 1):
        marker = _MARKER.match(line)
        if marker is None:
            current.append(line)
            continue
        word, subject = marker.group(1), marker.group(2) or ""
        if word in {"if", "each"} and subject:
            section = _Section(word, subject)
            current.append(section)
            stack.append(section)
            current = section.body
        elif word == "use" and (parts / f"{subject}.sql").is_file():
            current += _parse(subject, (parts / f"{subject}.sql").read_text(encoding="utf-8"), parts).body
        elif word == "else" and stack[-1].kind == "if" and stack[-1].otherwise is None:
            current = stack[-1].otherwise = []
        elif word == "end" and len(stack) > 1:
            stack.pop()
            parent = stack[-1]
            current = parent.body if parent.otherwise is None else parent.otherwise
        else:
            raise StoreError(f"queries/{name}.sql line {number}: misplaced marker :{word}.")
    if len(stack) > 1:
        raise StoreError(f"queries/{name}.sql: section {stack[-1].name} has no :end.")
    return root


def _known(section: _Section) -> set[str]:
    names: set[str] = {section.name} if section.name else set()
    for part in [*section.body, *(section.otherwise or [])]:
        if isinstance(part, _Section):
            names |= _known(part)
        else:
            names |= set(_PARAM.findall(_strip_comments(part)))
    return names


def _expand(
    parts: Sequence[str | _Section], params: Mapping[str, ParamValue], items: Mapping[str, str], lines: list[str]
) -> None:
    for part in parts:
        if isinstance(part, str):
            for name, item in items.items():
                part = part.replace(f"{{{name}}}", item)  # noqa: PLW2901 - one line, rewritten name by name
            lines.append(part)
        elif part.kind == "if":
            given = params.get(part.name)
            chosen = part.body if given is not None and given is not False else part.otherwise or []
            _expand(chosen, params, items, lines)
        else:
            for item in _identifiers(part.name, params.get(part.name)):
                _expand(part.body, params, {**items, part.name: item}, lines)


def _identifiers(name: str, value: ParamValue) -> list[str]:
    listed = [] if value is None else [value] if isinstance(value, str) else value
    if isinstance(listed, (int, float, bytes)):
        raise QueryError(f"Parameter {name} must be a list of names.", hint="Give a list of names.")
    for item in listed:
        if not isinstance(item, str) or not _NAME.fullmatch(item):
            raise QueryError(f"{item!r} is not a name.", hint="Names are small letters, digits and underscores.")
    return [str(item) for item in listed]


def _strip_comments(sql: str) -> str:
    return "\n".join(line.split("--", 1)[0] for line in sql.splitlines())
