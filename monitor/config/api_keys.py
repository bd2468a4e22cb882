"""API keys of servers. A setting says where a key is; the key itself is in no setting, page, answer or log.

    engines.api_keys = ["https://models.example.org/v1=env:MODELS_KEY", "http://10.0.0.5:8000=file:/home/me/.keys/vllm"]

A key file must belong to this user and be closed to others (mode 0600). The environment is that of the agent.
"""

import os
import re
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from ai.discovery.address import basic_key, normal_url

_LINE: Final = re.compile(r"(?P<address>https?://\S+?)=(?P<kind>env|file):(?P<where>\S.*)")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_KEY: Final = re.compile(r"[\x21-\x7e]{1,4096}")
_MOST_BYTES: Final = 8192


@dataclass(frozen=True, slots=True)
class ApiKeys:
    """Keys by address (in the form of `address_of`), and why some could not be read."""

    keys: Mapping[str, str] = field(default_factory=dict, repr=False)
    problems: Mapping[str, str] = field(default_factory=dict)

    def key_of(self, url: str) -> str:
        """The key for an address, with or without `/v1`; empty if there is none."""
        return self.keys.get(address_of(url), "")

    def problem_of(self, url: str) -> str:
        """Why the key of an address could not be read; empty if it could, or if none is set."""
        return self.problems.get(address_of(url), "")


def check_line(line: str) -> None:
    """Check one entry of the setting.

    Raises:
        ValueError: it does not say where a key is. The message leaves the entry out: it may hold the key itself.
    """
    found = _LINE.fullmatch(line)
    if found is None or (found["kind"] == "env" and not _NAME.fullmatch(found["where"])):
        raise ValueError("each entry is ADDRESS=env:NAME or ADDRESS=file:PATH, never the key itself")
    if found["kind"] == "file" and not found["where"].startswith(("/", "~")):
        raise ValueError("a key file needs an absolute path")
    if not urlsplit(found["address"]).hostname:
        raise ValueError("each entry begins with an address such as http://127.0.0.1:8000")


def resolve_keys(lines: Sequence[str], environ: Mapping[str, str], servers: Sequence[str] = ()) -> ApiKeys:
    """Read the keys. A key that cannot be read becomes a problem, never an exception.

    Args:
        lines: entries of the setting.
        environ: where variables are looked up.
        servers: addresses of servers; a name and password in one are its key, unless it has another.
    """
    keys = {address_of(url): key for url in servers if (key := basic_key(url))}
    problems: dict[str, str] = {}
    for line in lines:
        found = _LINE.fullmatch(line)
        if found is None:
            continue  # the settings refuse such an entry
        address = address_of(found["address"])
        try:
            text = _from_file(found["where"]) if found["kind"] == "file" else _from_environment(found["where"], environ)
            keys[address] = _checked(text)
        except ValueError as error:
            problems[address] = str(error)
    return ApiKeys(keys, problems)


def address_of(url: str) -> str:
    """An address in a form that can be compared."""
    try:
        parts = urlsplit(normal_url(url))
    except ValueError:
        return url
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path.removesuffix('/v1')}"


def write_key(folder: Path, address: str, key: str) -> str:
    """Write a key to a file of its own that only this user can read; returns the entry for the setting.

    Raises:
        ValueError: it is not a key.
        OSError: the file cannot be written.
    """
    checked = _checked(key)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = re.sub(r"[^A-Za-z0-9.]+", "-", address_of(address).partition("//")[2]).strip("-.") or "key"
    path = folder.absolute() / name
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(checked + "\n")
    return f"{address}=file:{path}"


def _from_environment(name: str, environ: Mapping[str, str]) -> str:
    if not environ.get(name):
        raise ValueError(f"the environment variable {name} is not set where Watchkeeper was started")
    return environ[name]


def _from_file(where: str) -> str:
    path = Path(where).expanduser()
    try:
        with open(path, "rb", opener=_at_once) as file:
            facts = os.fstat(file.fileno())
            text = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise ValueError(f"its file {path} cannot be read: {error.strerror}") from error
    if not stat.S_ISREG(facts.st_mode) or len(text) > _MOST_BYTES:
        raise ValueError(f"{path} is not a key file")
    if hasattr(os, "getuid") and facts.st_uid not in {os.getuid(), 0}:
        raise ValueError(f"its file {path} belongs to another user")
    if facts.st_mode & 0o077:
        raise ValueError(f"other users can read its file {path}; run: chmod 600 {path}")
    return text.decode("ascii", "replace")


def _at_once(path: str, flags: int) -> int:
    """Open a file without waiting for a writer if it is a pipe."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _checked(text: str) -> str:
    key = text.strip()
    if not _KEY.fullmatch(key):
        raise ValueError("a key is one line of printable characters")
    return key
