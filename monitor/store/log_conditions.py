"""A parsed log query as a condition in SQL: the functions that all engines share, and bound values."""

from itertools import count
from typing import Final

from logs.core import access
from logs.index.needles import Valued, parts_of_value, value_in_line
from logs.query import tree
from logs.query.expressions import for_store
from logs.query.matching import in_units, pair_expressions, path_of
from logs.query.quantities import bare_factor, same_number
from logs.query.tree import Node

Value = str | int | float
_PLACE: Final = {"message": "message", "raw": "coalesce(raw, concat(prefix, message))"}
_LINE: Final = "concat(prefix, message)"
_WHOLE: Final = {"pid": "pid", "lines": "lines", "line": "line_no"}
_QUANTITY: Final = {"time": "wk_seconds", "bytes": "wk_bytes"}
_RUNS: Final = "run IN (SELECT r.run FROM runs AS r WHERE {})"
_PATTERN: Final = "template_id IN (SELECT t.number FROM log_templates AS t WHERE t.pattern IN (SELECT p.pattern FROM log_templates AS p WHERE {}))"
_FILES: Final = "source IN (SELECT f.source FROM log_files AS f WHERE wk_imatches(f.path, {}))"
_RUN_TEXT: Final = "concat(r.name, ' ', coalesce(r.cmdline, ''))"


class Sql(str):
    """A piece of SQL that may stand in a statement as it is: it holds no text of a user."""

    __slots__ = ()


class Condition:
    """A query as SQL on one row of `log_records`; `values` are bound by the names in it.

    Args:
        node: the query.
    """

    def __init__(self, node: Node) -> None:
        self.values: dict[str, Value] = {}
        self._names = (f"where_{number}" for number in count())
        self.sql = Sql(self._sql(node))

    def _bind(self, value: Value) -> str:
        name = next(self._names)
        self.values[name] = value
        return f"${name}"

    def _sql(self, node: Node) -> str:  # noqa: C901, PLR0911 - one kind of node a case
        match node:
            case tree.And(parts):
                return "(" + " AND ".join(map(self._sql, parts)) + ")"
            case tree.Or(parts):
                return "(" + " OR ".join(map(self._sql, parts)) + ")"
            case tree.Not(part):
                return f"(NOT {self._sql(part)})"
            case tree.Text():
                return self._text(node)
            case tree.Regex():
                return self._matches(_PLACE[node.place], node.pattern, case=node.case)
            case tree.Level("=", number):
                return f"(level = {self._bind(number)})"
            case tree.Level(sign, number):
                return f"(level > 0 AND level {sign} {self._bind(number)})"
            case tree.Time(name, at):
                return f"(ts {'>=' if name == 'since' else '<'} wk_ts({self._bind(at)}))"
            case tree.Whole(name, sign, number):
                return f"coalesce({_WHOLE[name]} {sign} {self._bind(number)}, FALSE)"
            case tree.Run():
                return self._run(node)
            case tree.Pattern():
                return self._pattern(node)
            case _:
                return self._value(node)

    def _text(self, node: tree.Text) -> str:
        """As ripgrep finds it. Without regard to case an expression is quicker than the whole text in lower case, and exact: the
        dotted capital I is no match of the plain small one, and the long s is one of s.
        """
        body = _PLACE[node.place]
        if node.case:
            return f"wk_contains({body}, {self._bind(node.text)})"
        return self._matches(body, tree.literal(node.text), case=False)

    def _matches(self, body: str, pattern: str, *, case: bool) -> str:
        return f"{'wk_matches' if case else 'wk_imatches'}({body}, {self._bind(for_store(pattern))})"

    def _run(self, node: tree.Run) -> str:
        if node.number is None:
            small = f"wk_icontains({_RUN_TEXT}, {self._bind(node.text)})"
            return f"coalesce({_RUNS.format(small)}, FALSE)"
        number = self._bind(node.number)
        known = _RUNS.format(f"r.pid = {number}")
        return f"(coalesce(run = {number}, FALSE) OR coalesce(pid = {number}, FALSE) OR coalesce({known}, FALSE))"

    def _pattern(self, node: tree.Pattern) -> str:
        """All templates that belong to the one that is named."""
        named = f"p.id = {self._bind(node.text)}"
        if node.number is not None:
            named += f" OR p.number = {self._bind(node.number)}"
        return f"coalesce({_PATTERN.format(named)}, FALSE)"

    def _value(self, node: Valued) -> str:
        """A condition on a value. What must stand in the record for it is looked for first: taking a value out of a text costs ten times as much."""
        if node.field.name in access.NAMES and not node.field.column:
            return self._of_access(node)
        found = self._holds(node)
        if (path := tree.of_path(node)) is not None:
            return f"({found} OR coalesce({_FILES.format(self._bind(for_store(path)))}, FALSE))"
        if node.field.column:
            return found
        needed = next(parts_of_value(node), None)
        if needed is None:
            return found
        contains, text = "wk_contains" if needed.case else "wk_icontains", self._bind(needed.text)
        return f"CASE WHEN {contains}(message, {text}) OR {contains}(CAST(fields AS TEXT), {text}) THEN {found} ELSE FALSE END"

    def _of_access(self, node: Valued) -> str:
        """Where a line of an access log can have the value too: at its place, without its name."""
        if (needed := value_in_line(node)) is not None:
            contains, text = "wk_contains" if needed.case else "wk_icontains", self._bind(needed.text)
            some = [f"{contains}({body}, {text})" for body in (_LINE, "CAST(fields AS TEXT)")]
            return f"CASE WHEN {' OR '.join(some)} THEN {self._holds(node)} ELSE FALSE END"
        text, hint = self._bind(node.field.name), self._matches(_LINE, access.HINT, case=True)
        named = " OR ".join(f"wk_contains({body}, {text})" for body in ("message", "CAST(fields AS TEXT)"))
        return f"CASE WHEN {hint} THEN {self._holds(node, known=True)} WHEN {named} THEN {self._holds(node, known=False)} ELSE FALSE END"

    def _holds(self, node: Valued, *, known: bool | None = None) -> str:
        return f"coalesce({self._accepts(node, self._read(node.field, units=in_units(node), known=known))}, FALSE)"

    def _read(self, field: tree.Field, *, units: bool, known: bool | None = None) -> str:
        """The value of a field as text; `known`: whether it is a line of an access log, None where that must be found out."""
        if field.column:
            return field.name
        paths = [[field.name], path_of(field.name)] if "." in field.name else [[field.name]]
        steps = ("$" + "".join(f'."{step}"' for step in path) for path in paths)
        found = [f"wk_field(fields, {self._bind(path)})" for path in steps]
        if field.name in access.NAMES and known is not False:
            at_places = ", ".join(map(self._part, access.parts(field.name)))
            hint = "TRUE" if known else self._matches(_LINE, access.HINT, case=True)
            found.append(f"CASE WHEN {hint} THEN coalesce({at_places}, NULL) END")
        name = self._bind(field.name)
        found += (f"wk_pair(message, {name}, {self._bind(one)})" for one in pair_expressions(field.name, units=units))
        return f"coalesce({', '.join(found)})"

    def _part(self, part: access.Part) -> str:
        """The value at one place of a line of an access log."""
        body = f"wk_found({_LINE}, {self._bind(part.within)})" if part.within else _LINE
        return f"wk_part({body}, {self._bind(part.pattern)}, {self._bind(part.unit)})"

    def _accepts(self, node: Valued, value: str) -> str:  # noqa: PLR0911 - one kind of condition a case
        match node:
            case tree.Compares():
                return f"{self._quantity(node, value)} {node.operator} {self._bind(node.number)}"
            case tree.Matches():
                return self._matches(value, node.pattern, case=node.case)
            case tree.Glob():
                return self._matches(value, node.expression, case=node.case)
            case tree.Holds(_, text, case):
                return f"{'wk_contains' if case else 'wk_icontains'}({value}, {self._bind(text)})"
            case tree.Equals(_, text, case, number, _):
                wanted = self._bind(text)
                same = f"{value} = {wanted}" if case else f"lower({value}) = lower({wanted})"
                if number is None:
                    return same
                if not node.dimension:
                    return self._matches(value, same_number(text), case=True)
                return f"(coalesce({self._quantity(node, value)} = {self._bind(number)}, FALSE) OR {same})"

    def _quantity(self, node: tree.Compares | tree.Equals, value: str) -> str:
        """The value in the base unit of what it is compared with; without one, the number as it stands there."""
        if not node.dimension:
            return f"wk_number({value})"
        bare = self._bind(bare_factor(node.field.name, node.dimension))
        return f"{_QUANTITY[node.dimension]}({value}, {bare})"
