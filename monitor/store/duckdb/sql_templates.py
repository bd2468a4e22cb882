"""The SQL files: jinja2 templates that are loaded once. Their sections depend on the parameters.

A file is plain SQL with `$name` parameters, and with lines for jinja2 that SQL takes for comments:

    -- :if level is given               kept when parameter `level` is given, and neither None nor False
    AND level >= $level
    -- :else
    AND TRUE
    -- :endif
    -- :for metric in metrics | names   repeated for each name of the list `metrics`
    , avg({{ metric }}) AS {{ metric }}_avg
    -- :endfor
    -- :include "parts/log_filter.sql"

Values are bound, never written into the SQL: what stands in `{{ … }}` must be a name (`[a-z][a-z0-9_]*`), or a parsed log query, whose SQL
binds its values too, so no text of a user gets there.
"""

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import jinja2
from jinja2 import meta
from jinja2.sandbox import ImmutableSandboxedEnvironment

from logs.query.tree import Node
from monitor.core.errors import QueryError, StoreError
from monitor.store.interface import ParamValue
from monitor.store.log_conditions import Condition, Sql

QUERIES: Final = Path(__file__).parents[1] / "queries"
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_PARAM = re.compile(r"(?<![\w$])\$([a-z][a-z0-9_]*)")


@dataclass(frozen=True, slots=True)
class _Statement:
    """One template and all its parameters."""

    template: jinja2.Template
    known: frozenset[str]


class Statements:
    """The queries of one folder by name.

    Args:
        folder: where the `.sql` files lie.
    """

    def __init__(self, folder: Path = QUERIES) -> None:
        self._folder = folder
        self._loaded: dict[str, _Statement] = {}
        self._environment = ImmutableSandboxedEnvironment(
            loader=jinja2.FileSystemLoader(folder),
            undefined=jinja2.StrictUndefined,
            finalize=_name,
            line_statement_prefix="-- :",
            keep_trailing_newline=True,
            autoescape=False,
            auto_reload=False,
        )
        self._environment.tests["given"] = lambda value: value is not None and value is not False
        self._environment.filters["names"] = _names

    def names(self) -> list[str]:
        """The names of all queries, sorted."""
        return sorted(path.stem for path in self._folder.glob("*.sql"))

    def parameters(self, name: str) -> frozenset[str]:
        """All parameters of a query: those that are bound, and those that select sections."""
        return self._load(name).known

    def render(self, name: str, params: Mapping[str, ParamValue]) -> tuple[str, dict[str, ParamValue]]:
        """The SQL for these parameters, and those of them that it binds.

        Raises:
            QueryError: the query or a parameter does not exist, one is missing, or what stands for a name is none.
        """
        statement = self._load(name)
        if unknown := params.keys() - statement.known:
            raise QueryError(
                f"query {name} has no parameter {', '.join(sorted(unknown))}",
                hint=f"it knows {', '.join(sorted(statement.known)) or 'none'}",
            )
        shown, values = _with_conditions(params)
        try:
            sql = statement.template.render(dict.fromkeys(statement.known) | shown).rstrip("\n")
        except jinja2.TemplateError as error:
            raise _wrong(name, error) from error
        wanted = _bound(sql)
        if missing := wanted - values.keys():
            raise QueryError(f"query {name} lacks parameter {', '.join(sorted(missing))}", hint="give a value for it")
        return sql, {key: values[key] for key in wanted}

    def _load(self, name: str) -> _Statement:
        loaded = self._loaded.get(name)
        if loaded is None:
            if not _NAME.fullmatch(name) or not (self._folder / f"{name}.sql").is_file():
                raise QueryError(f"there is no query named {name!r}", hint=f"known: {', '.join(self.names())}")
            file = f"{name}.sql"
            try:
                loaded = _Statement(self._environment.get_template(file), frozenset(self._known(file)))
            except jinja2.TemplateError as error:
                raise _wrong(name, error) from error
            self._loaded[name] = loaded
        return loaded

    def _known(self, file: str) -> set[str]:
        """The parameters of a file and of the parts that it includes."""
        text = (self._folder / file).read_text(encoding="utf-8")
        tree = self._environment.parse(text)
        known = _bound(text) | meta.find_undeclared_variables(tree)
        for part in meta.find_referenced_templates(tree):
            if part is None or not (self._folder / part).is_file():
                raise jinja2.TemplateNotFound(part)
            known |= self._known(part)
        return known


@functools.cache
def own_statements() -> Statements:
    """The queries that come with the program: compiled once, however many stores are opened."""
    return Statements()


def _with_conditions(params: Mapping[str, ParamValue]) -> tuple[dict[str, object], dict[str, ParamValue]]:
    """What the template sees, and the values: a parsed log query is SQL with values of its own."""
    shown: dict[str, object] = {}
    values: dict[str, ParamValue] = {}
    for key, value in params.items():
        if isinstance(value, Node):
            condition = Condition(value)
            shown[key] = condition.sql
            values |= condition.values
        else:
            shown[key] = values[key] = value
    return shown, values


def _wrong(name: str, error: jinja2.TemplateError) -> StoreError:
    return StoreError(f"queries/{name}.sql cannot be used: {error.message}")


def _bound(sql: str) -> set[str]:
    """The names behind `$`, without those in comments."""
    return set(_PARAM.findall("\n".join(line.split("--", 1)[0] for line in sql.splitlines())))


def _name(value: object) -> str:
    if isinstance(value, Sql):
        return value
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise QueryError(f"{value!r} is not a name", hint="names are small letters, digits and underscores")
    return value


def _names(value: ParamValue) -> list[str]:
    if value is None:
        return []
    if isinstance(value, str | int | float | bytes | Node):
        raise QueryError(f"{value!r} is no list of names", hint="give a list of names")
    return [_name(item) for item in value]
