"""The formats that people described for this machine: a folder of `NAME.toml` files."""

import threading
from pathlib import Path
from typing import Final

from logs.core.errors import LogsError
from logs.core.format_spec import FormatSpec
from logs.parsing.formats import Registry
from logs.parsing.formats.forced import RESERVED
from logs.parsing.formats.user import read_format

_MOST: Final = 500


class OwnFormats:
    """Reads and writes the folder; safe from any thread, as each file is replaced in one step.

    Args:
        folder: where the files are; made when the first is saved.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._taken = RESERVED.union(Registry().names())

    def read(self) -> tuple[list[FormatSpec], dict[str, str]]:
        """The formats, by name, and per file that cannot be used, why."""
        specs: list[FormatSpec] = []
        errors: dict[str, str] = {}
        for path in sorted(self.folder.glob("*.toml")):
            try:
                specs.append(self.check(path.stem, path.read_text("utf-8")))
            except LogsError as error:
                errors[path.name] = f"{error.message}. {error.hint}"
            except (OSError, UnicodeDecodeError) as error:
                errors[path.name] = f"it cannot be read: {error}"
        return specs, errors

    def text(self, name: str) -> str:
        """The file of a format.

        Raises:
            LogsError: there is none.
        """
        try:
            return self._path(name).read_text("utf-8")
        except (OSError, ValueError) as error:  # ValueError: no text, or a name that no file can have
            raise self._missing(name) from error

    def check(self, name: str, text: str) -> FormatSpec:
        """The format that a text describes, if it may have this name.

        Raises:
            LogsError: it may not, or the text describes none.
        """
        if name in self._taken:
            raise LogsError(f"{name!r} is a format of Watchkeeper's own", hint="Choose another name.")
        return read_format(text, name)

    def save(self, name: str, text: str) -> FormatSpec:
        """Keep a format, in place of one of the same name.

        Raises:
            LogsError: see `check`; or the folder cannot be written.
        """
        spec = self.check(name, text)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if len(list(self.folder.glob("*.toml"))) >= _MOST and not self._path(name).exists():
                raise LogsError(f"there are {_MOST} formats already", hint="Remove one that is not used.")
            fresh = self._path(name).with_suffix(f".{threading.get_native_id()}.new")  # it may be saved twice at once
            fresh.write_text(text, "utf-8")
            fresh.replace(self._path(name))
        except OSError as error:
            raise LogsError(
                f"{self.folder} cannot be written: {error.strerror}", hint="Check its permissions."
            ) from error
        return spec

    def remove(self, name: str) -> None:
        """Forget a format.

        Raises:
            LogsError: there is none.
        """
        try:
            self._path(name).unlink()
        except (OSError, ValueError) as error:
            raise self._missing(name) from error

    def _path(self, name: str) -> Path:
        return self.folder / f"{Path(name).name}.toml"

    def _missing(self, name: str) -> LogsError:
        return LogsError(f"there is no format {name!r} of your own", hint=f"They are in {self.folder}.")
