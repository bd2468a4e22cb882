"""What a service prints: read from its pipe, written to a file that is rotated by size without losing a byte."""

import os

BLOCK = 65536
LONGEST_LINE = 65536


class Output:
    """The file that a service's standard output and error go to.

    Args:
        path: the file; rotated ones are `path.1` (the newest), `path.2` and so on.
        most_bytes: the size at which a file is rotated, at the end of a line where there is one.
        kept: how many rotated files stay.
    """

    def __init__(self, path: str, most_bytes: int, kept: int) -> None:
        self._path, self._most_bytes, self._kept = path, most_bytes, kept
        self._file = self._open()
        self._size = os.fstat(self._file).st_size
        self.lost = 0
        """Bytes that could not be written, for want of room."""
        self.error = ""

    def write(self, data: bytes) -> None:
        """Append. What the file system does not take is counted; the service never waits for it."""
        if self._size + len(data) > self._most_bytes and self._size:
            whole = data.rfind(b"\n") + 1
            self._append(data[:whole])
            data = data[whole:]
            if whole or self._size > 2 * self._most_bytes:
                self._rotate()
        self._append(data)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def _open(self) -> int:
        return os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def _append(self, data: bytes) -> None:
        while data:
            try:
                written = os.write(self._file, data)
            except OSError as error:
                self.lost += len(data)
                self.error = f"{self._path} cannot be written: {error.strerror}"
                return
            self._size += written
            data = data[written:]

    def _rotate(self) -> None:
        names = [self._path, *(f"{self._path}.{number}" for number in range(1, self._kept + 1))]
        try:
            for older, newer in zip(reversed(names[1:]), reversed(names[:-1]), strict=True):
                if os.path.exists(newer):
                    os.rename(newer, older)
            file = self._open()
        except OSError as error:  # the old file stays in use, and grows
            self.error = f"{self._path} cannot be rotated: {error.strerror}"
            return
        os.close(self._file)
        self._file, self._size = file, 0


class Lines:
    """Looks for an expression in lines, until it is found once.

    Args:
        pattern: a regular expression of Python.
    """

    def __init__(self, pattern: str) -> None:
        import re  # only where it is needed: it is a tenth of the shim's memory

        self._pattern = re.compile(pattern)
        self._rest = b""

    def found_in(self, data: bytes) -> bool:
        """Whether a line that ends in, or reaches to the end of, this block matches."""
        lines = (self._rest + data).split(b"\n")
        self._rest = lines[-1][-LONGEST_LINE:]
        return any(self._pattern.search(line.decode("utf-8", "replace")) for line in lines)
