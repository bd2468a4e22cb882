"""What a process belongs to, by the path of its control group: a container, a unit of systemd, a session."""

import re
from functools import lru_cache
from typing import Final, Literal, NamedTuple

_CONTAINER: Final = re.compile(r"(?:(?P<prefix>[a-z][a-z-]*?)-)?(?P<id>[0-9a-f]{64}|[0-9a-f]{32}-\d{6,})(?:\.scope)?")
"""The id of a container; that of a task of Amazon ECS is shorter."""
_ENGINES: Final = {
    "cri-containerd": "containerd",
    "crio": "CRI-O",
    "crio-conmon": "CRI-O",
    "docker": "docker",
    "libpod": "podman",
    "libpod-conmon": "podman",
    "nerdctl": "containerd",
}
_FOLDERS: Final = {
    "actions_job": "docker",
    "buildkit": "buildkit",
    "docker": "docker",
    "ecs": "ECS",
    "garden": "garden",
    "kubepods": "kubernetes",
    "kubepods.slice": "kubernetes",
    "libpod_parent": "podman",
}
_NO_ENGINE: Final = "container"
_MACHINE: Final = re.compile(
    r"lxc\.payload\.(?P<lxc>.+)|machine-(?P<machine>.+)\.scope|systemd-nspawn@(?P<nspawn>.+)\.service"
)
_UNIT: Final = re.compile(r".+\.(?:service|scope|socket|mount|swap|timer)")
_SESSION: Final = re.compile(r"session-(?P<id>[\w-]+)\.scope")
_ESCAPED: Final = re.compile(r"\\x([0-9a-f]{2})")
_LONGEST: Final = 200

Kind = Literal["container", "unit", "session", "group"]


class Unit(NamedTuple):
    """What a process belongs to. A `group` is a control group that nothing is known about; its name is its path."""

    kind: Kind
    name: str


@lru_cache(maxsize=4096)
def unit_of(cgroup: str | None) -> Unit | None:
    """What the control group of this path is; None for the root, where nothing says more.

    A container counts before the units inside it, and of units the innermost.
    """
    parts = [_unescaped(part) for part in (cgroup or "").split("/") if part]
    if not parts:
        return None
    for number, part in enumerate(parts):
        name = _container(part, parts[:number])
        if name is not None:
            return Unit("container", name[:_LONGEST])
    for part in reversed(parts):
        session = _SESSION.fullmatch(part)
        if session is not None:
            return Unit("session", f"session {session['id']}"[:_LONGEST])
        if _UNIT.fullmatch(part):
            return Unit("unit", part[:_LONGEST])
    return Unit("group", f"/{'/'.join(parts)}"[:_LONGEST])


def unit_name(cgroup: str | None) -> str | None:
    """The name of what the control group is, for a column."""
    unit = unit_of(cgroup)
    return None if unit is None else unit.name


def unit_pattern(text: str) -> str:
    """A regular expression (RE2) for what a person types to find units, in lower case: its words in this order. A number is where
    a word begins, as one types the ID of a container: inside of an ID any number stands somewhere. The name of an engine also stands
    for what paths have in its place.

        >>> unit_pattern("Docker 83")
        '(?:docker|actions_job).*[^0-9a-z]83'
        >>> unit_pattern("83")
        '(?:^|[^0-9a-z])83'
    """
    words = text.lower().split()
    pattern = ".*[^0-9a-z]".join(_alternatives(word) for word in words)
    return f"(?:^|[^0-9a-z]){pattern}" if len(words) == 1 and words[0].isdigit() else pattern


def _alternatives(word: str) -> str:
    """One word of a search: an engine by any name that paths have for it, one of no known engine by none, a dash as systemd escapes it."""
    names = [word, *(part for part, engine in (_ENGINES | _FOLDERS).items() if engine.lower() == word and part != word)]
    names += [""] if word == _NO_ENGINE else []
    patterns = [re.escape(name).replace(r"\-", r"(?:-|\\x2d)") for name in names]
    return patterns[0] if len(patterns) == 1 else f"(?:{'|'.join(patterns)})"


def _container(part: str, above: list[str]) -> str | None:
    found = _CONTAINER.fullmatch(part)
    if found is not None:
        folders = [folder.split("-")[0] for folder in above]
        engine = _ENGINES.get(found["prefix"] or "") or next(
            (_FOLDERS[folder] for folder in folders if folder in _FOLDERS), _NO_ENGINE
        )
        return f"{engine} {found['id'][:12]}"
    machine = _MACHINE.fullmatch(part)
    if machine is not None:
        return f"lxc {machine['lxc']}" if machine["lxc"] else machine["machine"] or machine["nspawn"]
    if above and above[-1] == "lxc":
        return f"lxc {part}"
    return None


def _unescaped(part: str) -> str:
    r"""The name of a unit without systemd's escapes (`\x2d` is a dash)."""
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), part)
