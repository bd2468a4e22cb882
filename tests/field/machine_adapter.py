"""Where the field cases about the machine find what they ask: the names of `machine/adapter.py`, at their place in this tree."""

from pathlib import Path
from typing import Any

PLACES = {
    "monitor.sampling.hosttable": "monitor.sampling.linux.host",
    "monitor.sampling.procfiles": "monitor.sampling.linux.procfiles",
    "monitor.sampling.parse": "monitor.sampling.linux.parse",
    "monitor.sampling.space": "monitor.sampling.linux.disk_space",
    "monitor.world": "monitor.live.snapshot",
}

SCRIPTS = Path("pages/ui/assets")
"""Where the page's scripts lie."""
VERDICT = """
import {{ verdict }} from "{base}/frame/verdict.js";
const hub = {hub};
hub.ring = {{ last: 60e6, mean: (name) => hub.means[name] ?? null }};
console.log(JSON.stringify(verdict(hub)));
"""
SEARCH = """
import {{ matcher }} from "{base}/processes/model.js";
const given = {given};
const match = matcher(given.pattern);
console.log(JSON.stringify(match === null ? null : given.lines.filter((line, i) => match({{ name: "!", cmdline: line, user: "u", pid: i }})).length));
"""


class Moved(Exception):
    """A name is not where this file looks for it."""


def _need(module: str, *names: str) -> list[Any]:
    place = PLACES.get(module, module)
    try:
        found = __import__(place, fromlist=list(names))
        return [getattr(found, name) for name in names]
    except (ImportError, AttributeError) as error:
        raise Moved(f"{', '.join(names)} is no longer in {place} ({error})") from None


def script(name: str) -> str:
    """The text of a program for Node, with `{base}` and its input to be filled in."""
    needed = SCRIPTS / {"verdict": "frame/verdict.js", "search": "processes/model.js"}[name]
    if not needed.exists():
        raise Moved(f"{needed} does not exist")
    return VERDICT if name == "verdict" else SEARCH
