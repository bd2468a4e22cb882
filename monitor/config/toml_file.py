"""The settings file: read as TOML, edited without losing comments, replaced in one step."""

import errno
import os
import stat
import tempfile
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from monitor.core.errors import ConfigError


def read_file(path: Path) -> dict[str, Any]:
    """`{"section.key": value}` of the file; a missing file is empty.

    Raises:
        ConfigError: it is not TOML or cannot be read.
    """
    try:
        return _flatten(tomllib.loads(_text(path)))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}", hint="correct the file or move it away") from error
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}", hint="check its permissions") from error


def _text(path: Path) -> str:
    """What a file says.

    Raises:
        FileNotFoundError: there is none.
        OSError: it cannot be read, or is a named pipe: who opens one waits for a writer, perhaps for ever.
    """
    if stat.S_ISFIFO(path.stat().st_mode):
        raise OSError(errno.EINVAL, "it is a named pipe")
    return path.read_text("utf-8")


def write_file(path: Path, changes: Mapping[str, Any]) -> None:
    """Change keys in the file. A crash leaves either the old or the new file.

    Raises:
        ConfigError: it cannot be written.
    """
    import tomlkit

    def edit(document: Any) -> None:
        for key, value in changes.items():
            section, name = key.split(".")
            if section not in document:
                if value is None:
                    continue
                document[section] = tomlkit.table()
            table: Any = document[section]
            if value is None:
                table.pop(name, None)
            else:
                table[name] = value

    _edit(path, edit)


def write_table(path: Path, kind: str, name: str, table: Mapping[str, Any] | None) -> None:
    """Change the `[[kind]]` table with this name, add one, or remove it if `table` is None. Keys that are not in `table` go.

    Raises:
        ConfigError: it cannot be written.
    """
    import tomlkit

    def edit(document: Any) -> None:
        if not document.get(kind):  # an empty table or array may stand there
            document[kind] = tomlkit.aot()
        tables = document[kind]
        place = next((at for at, one in enumerate(tables) if one.get("name") == name), None)
        if table is None:
            if place is not None:
                tables.pop(place)
            if not tables:
                document.pop(kind)
            return
        if place is None:
            tables.append(tomlkit.item(dict(table)))
            return
        old = tables[place]
        for key in [key for key in old if key not in table]:
            old.remove(key)
        for key, value in table.items():
            if old.get(key) != value:
                old[key] = value

    _edit(path, edit)


def _edit(path: Path, edit: Callable[[Any], None]) -> None:
    """Edit the document of a file, which need not exist, and replace the file in one step.

    Raises:
        ConfigError: it cannot be written.
    """
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        document = tomlkit.parse(_text(path)) if path.exists() else tomlkit.document()
        edit(document)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        mode = path.stat().st_mode & 0o777 if path.exists() else 0o600
        real = path.resolve()
        descriptor, temporary = tempfile.mkstemp(dir=real.parent, prefix=".watchkeeper-", suffix=".toml")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as out:
                out.write(tomlkit.dumps(document))
                out.flush()
                os.fsync(out.fileno())
            Path(temporary).chmod(mode)
            Path(temporary).replace(real)
        finally:
            Path(temporary).unlink(missing_ok=True)
    except (OSError, TOMLKitError) as error:
        raise ConfigError(
            f"{path} cannot be written: {error}", hint="check the permissions of its directory"
        ) from error


def _flatten(table: Mapping[str, Any]) -> dict[str, Any]:
    """`{"a": {"b": 1}}` → `{"a.b": 1}`, for two levels. Anything else keeps a name that no setting has, and is refused later."""
    flat: dict[str, Any] = {}
    for section, inner in table.items():
        if isinstance(inner, Mapping):
            flat |= {f"{section}.{name}": value for name, value in inner.items()}
        else:
            flat[section] = inner
    return flat
