"""Keeps processes small: pyarrow imports pandas, where it is installed, at the first list it converts, which takes a second and 60 MB."""

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType


class _Without(MetaPathFinder):
    def __init__(self, name: str) -> None:
        self._name = name

    def find_spec(
        self, fullname: str, _path: Sequence[str] | None, _target: ModuleType | None = None, /
    ) -> ModuleSpec | None:
        """Refuse the one module."""
        if fullname == self._name:
            raise ModuleNotFoundError(f"{fullname} is left out of this process", name=fullname)
        return None


def without(module: str) -> None:
    """Make `import module` fail in this process, for those who can do without."""
    if module not in sys.modules:
        sys.meta_path.insert(0, _Without(module))
