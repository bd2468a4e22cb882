"""Server-sent events, incrementally, from bytes cut anywhere (HTML standard, "event stream interpretation")."""

from typing import Final

from ai.errors import BadOutput

MAX_EVENT: Final = 4 * 1024 * 1024


class SseParser:
    """Feed bytes, get the `data` of each event that became complete. Names, ids and comments are left out.

    Raises:
        BadOutput: (from `feed`) an event longer than `MAX_EVENT` bytes.
    """

    def __init__(self, backend: str = "") -> None:
        self._backend = backend
        self._rest = bytearray()
        self._data: list[str] = []
        self._size = 0
        self._begun = False
        self._skip_newline = False

    def feed(self, part: bytes) -> list[str]:
        """The events that end within what was fed so far."""
        self._rest += part
        if not self._begun and len(self._rest) >= 3:
            self._begun = True
            if self._rest.startswith(b"\xef\xbb\xbf"):
                del self._rest[:3]
        events: list[str] = []
        for line in self._lines():
            if line:
                self._field(line)
            elif self._data:
                events.append("\n".join(self._data))
                self._data, self._size = [], 0
        if self._size + len(self._rest) > MAX_EVENT:
            raise BadOutput(f"The server sent an event longer than {MAX_EVENT // 1024**2} MiB.", backend=self._backend)
        return events

    def rest(self) -> bool:
        """Whether something incomplete is left."""
        return bool(self._data or self._rest)

    def _lines(self) -> list[bytes]:
        """Complete lines; ends are LF, CR or CR LF, and a CR at the very end may still get its LF."""
        lines: list[bytes] = []
        begin = 0
        if self._skip_newline and self._rest:
            begin = 1 if self._rest[0] == 0x0A else 0
            self._skip_newline = False
        while True:
            ends = [at for at in (self._rest.find(b"\n", begin), self._rest.find(b"\r", begin)) if at >= 0]
            if not ends:
                break
            end = min(ends)
            lines.append(bytes(self._rest[begin:end]))
            begin = end + 1
            if self._rest[end] == 0x0D:
                if begin == len(self._rest):
                    self._skip_newline = True
                elif self._rest[begin] == 0x0A:
                    begin += 1
        del self._rest[:begin]
        return lines

    def _field(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        if name == b"data":
            text = value.removeprefix(b" ").decode("utf-8", "replace")
            self._data.append(text)
            self._size += len(value)
