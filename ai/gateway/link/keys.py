"""Keys of the programs that may ask. Only their hashes are kept."""

import hashlib
import json
import os
import re
import secrets
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import msgspec

from ai.core.errors import InputError
from ai.gateway.link.budgets import Budget

PREFIX: Final = "wk-"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._@-]{0,39}")
_MOST: Final = 1000


def hash_of(key: str) -> str:
    """What is kept of a key. It has 256 random bits: a hash that is slow on purpose, as for passwords, would add nothing but time to every call."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


class KeyFile:
    """The keys in a file that only this user can read. Each change reads the file anew, so that several processes can use it.

    Args:
        path: the file; it need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def names(self) -> dict[str, str]:
        """Hash → name."""
        return {str(row["hash"]): name for name, row in self._read().items()}

    def listed(self) -> list[tuple[str, int]]:
        """Name and time of creation (µs), oldest first."""
        return sorted(((name, int(row["created"])) for name, row in self._read().items()), key=lambda pair: pair[1])

    def add(self, name: str) -> str:
        """Make a key. It is returned here and never again.

        Raises:
            InputError: the name cannot be used, or is used already.
        """
        rows = self._read()
        if not _NAME.fullmatch(name):
            raise InputError(
                f"{name[:60]!r} cannot be the name of a key.",
                hint="Use up to 40 letters, digits, spaces and . _ @ -, beginning with a letter or digit.",
            )
        if name in rows:
            raise InputError(f"There is a key named {name} already.", hint="Remove it first, or choose another name.")
        if len(rows) >= _MOST:
            raise InputError(f"There are {_MOST} keys already.", hint="Remove those that nobody uses.")
        key = PREFIX + secrets.token_urlsafe(32)
        self._write({**rows, name: {"hash": hash_of(key), "created": time.time_ns() // 1000}})
        return key

    def budgets(self) -> dict[str, Budget]:
        """The budget of each key that has one."""
        return {name: msgspec.convert(row["budget"], Budget) for name, row in self._read().items() if "budget" in row}

    def set_budget(self, name: str, budget: Budget) -> None:
        """Give a key a budget; one without limits takes it away.

        Raises:
            InputError: there is no key of that name, or a limit is below zero.
        """
        rows = self._read()
        limits = {what: limit for what, limit in asdict(budget).items() if limit is not None}
        if any(limit < 0 for limit in limits.values()):
            raise InputError(
                "A budget cannot be below zero.", hint="0 refuses every call; leave a limit out to set none."
            )
        if name not in rows:
            raise InputError(f"There is no key named {name[:60]!r}.", hint="List the keys to see their names.")
        rows[name].pop("budget", None)
        if limits:
            rows[name]["budget"] = limits
        self._write(rows)

    def remove(self, name: str) -> None:
        """Forget a key: it opens nothing any more.

        Raises:
            InputError: there is none of that name.
        """
        rows = self._read()
        if rows.pop(name, None) is None:
            raise InputError(f"There is no key named {name[:60]!r}.", hint="List the keys to see their names.")
        self._write(rows)

    def _read(self) -> dict[str, dict[str, Any]]:
        try:
            text = self._path.read_bytes()
        except FileNotFoundError:
            return {}
        try:
            rows: dict[str, dict[str, Any]] = json.loads(text)
            ok = all(isinstance(row["hash"], str) and isinstance(row["created"], int) for row in rows.values())
        except (ValueError, AttributeError, KeyError, TypeError):
            ok = False
        if not ok:
            raise InputError(
                f"The keys in {self._path} cannot be read.", hint="Remove the file, and make new keys for the programs."
            )
        return rows

    def _write(self, rows: dict[str, dict[str, Any]]) -> None:
        handle, name = tempfile.mkstemp(dir=self._path.parent, prefix=".keys-")  # mode 0600
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(rows, file, indent=1)
            Path(name).replace(self._path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
