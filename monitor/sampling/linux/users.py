"""Names of users, without waiting for a directory server.

`/etc/passwd` is read directly. An id it lacks (LDAP, SSSD) is asked of the system in a thread; until the
answer comes the id itself stands for the name.
"""

import sys
import threading
from pathlib import Path
from typing import Final

from monitor.sampling.core.priority import be_ordinary

if sys.platform != "win32":
    import pwd

USER_TABLE: Final = "/etc/passwd"


class Users:
    """Maps user ids to names."""

    def __init__(self, table: str = USER_TABLE) -> None:
        self._table = Path(table)
        self._stamp: tuple[int, int] | None = None
        self._names: dict[int, str] = {}
        self._asked: dict[int, str | None] = {}
        self.refresh()

    def refresh(self) -> None:
        """Read `/etc/passwd` again if it changed. Cheap enough for every few sweeps."""
        try:
            found = self._table.stat()
            stamp = (found.st_mtime_ns, found.st_size)
            if stamp == self._stamp:
                return
            lines = self._table.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:  # no such file on this system: every id is asked of the system instead
            return
        self._stamp = stamp
        names: dict[int, str] = {}
        for line in lines:
            field = line.split(":", 3)
            if len(field) == 4 and field[2].isdigit():
                names.setdefault(int(field[2]), field[0])
        self._names = names

    def name(self, uid: int) -> str:
        """The user's name, or the number as text if no name is known (yet)."""
        if uid < 0:
            return ""
        known = self._names.get(uid)
        if known is not None:
            return known
        if uid not in self._asked:
            self._asked[uid] = None
            threading.Thread(target=self._ask, args=(uid,), name="users", daemon=True).start()
        return self._asked[uid] or str(uid)

    def _ask(self, uid: int) -> None:
        be_ordinary()
        if sys.platform == "win32":
            return
        try:
            self._asked[uid] = pwd.getpwuid(uid).pw_name
        except KeyError:
            self._asked[uid] = str(uid)
