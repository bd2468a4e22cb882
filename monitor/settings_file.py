"""The file of settings: read as TOML, changed in place, replaced in one step."""

import os
import tempfile
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from monitor.errors import ConfigError


def read_file(path: Path) -> dict[str, Any]:
    """`{"section.key": value}` of the file; one that does not exist is empty.

    Raises:
        ConfigError: it is not TOML or cannot be read.
    """
    try:
        return _flatten(tomllib.loads(path.read_text("utf-8")))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}", hint="correct it, or move it away") from error
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}", hint="check its permissions") from error


def write_file(path: Path, changes: Mapping[str, Any]) -> None:
    """Change keys of the file in place; replace it in one step, so that a crash leaves the old or the new one.

    Raises:
        ConfigError: it cannot be written.
    """
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        document = tomlkit.parse(path.read_text("utf-8")) if path.exists() else tomlkit.document()
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
        raise ConfigError(f"{path} cannot be written: {error}", hint="check its directory's permissions") from error


def _flatten(table: Mapping[str, Any]) -> dict[str, Any]:
    """`{"a": {"b": 1}}` → `{"a.b": 1}`, two levels; other shapes keep a name that no setting has."""
    flat: dict[str, Any] = {}
    for section, inner in table.items():
        if isinstance(inner, Mapping):
            flat |= {f"{section}.{name}": value for name, value in inner.items()}
        else:
            flat[section] = inner
    return flat
