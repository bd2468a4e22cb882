"""The header of a GGUF file, read with suspicion: model files come from strangers.

Layout (ggml's `docs/gguf.md`): magic `GGUF`, version (u32), tensor count, key count (u64), the keys (string, type, value),
then per tensor name, dimensions, type, offset; all little-endian. Every count is checked against the bytes that are
there before anything is allocated for it.
"""

import stat
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from ai.core.errors import BadModelFile

MAX_HEADER: Final = 128 * 1024 * 1024
MAX_KEYS: Final = 65_536
MAX_TENSORS: Final = 65_536
MAX_KEPT_TEXT: Final = 65_536
"""Longer strings (chat templates are shorter) and longer arrays (vocabularies) are skipped, not kept."""
MAX_KEPT_ITEMS: Final = 4_096
_OTHER_ORDER: Final = 256
"""Versions below this one, read in the other order, are plausible."""
_GROW: Final = 1024 * 1024

_SCALARS: Final = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING: Final = 8
_ARRAY: Final = 9

TENSOR_TYPES: Final[dict[int, tuple[str, int, int]]] = {
    0: ("F32", 1, 4), 1: ("F16", 1, 2), 2: ("Q4_0", 32, 18), 3: ("Q4_1", 32, 20), 6: ("Q5_0", 32, 22),
    7: ("Q5_1", 32, 24), 8: ("Q8_0", 32, 34), 9: ("Q8_1", 32, 36), 10: ("Q2_K", 256, 84), 11: ("Q3_K", 256, 110),
    12: ("Q4_K", 256, 144), 13: ("Q5_K", 256, 176), 14: ("Q6_K", 256, 210), 15: ("Q8_K", 256, 292),
    16: ("IQ2_XXS", 256, 66), 17: ("IQ2_XS", 256, 74), 18: ("IQ3_XXS", 256, 98), 19: ("IQ1_S", 256, 50),
    20: ("IQ4_NL", 32, 18), 21: ("IQ3_S", 256, 110), 22: ("IQ2_S", 256, 82), 23: ("IQ4_XS", 256, 136),
    24: ("I8", 1, 1), 25: ("I16", 1, 2), 26: ("I32", 1, 4), 27: ("I64", 1, 8), 28: ("F64", 1, 8),
    29: ("IQ1_M", 256, 56), 30: ("BF16", 1, 2), 34: ("TQ1_0", 256, 54), 35: ("TQ2_0", 256, 66), 39: ("MXFP4", 32, 17),
    40: ("NVFP4", 64, 36), 41: ("Q1_0", 128, 18), 42: ("Q2_0", 64, 18),
}  # fmt: skip
"""Type number → name, elements of a block, bytes of a block (ggml.h)."""
_GIVEN_UP: Final = frozenset({4, 5, 31, 32, 33, 36, 37, 38})
"""Q4_2, Q4_3, and what was packed for single processors."""
FILE_TYPES: Final = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K", 11: "Q3_K_S", 12: "Q3_K_M",
    13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M", 16: "Q5_K_S", 17: "Q5_K_M", 18: "Q6_K", 19: "IQ2_XXS", 20: "IQ2_XS",
    21: "Q2_K_S", 22: "IQ3_XS", 23: "IQ3_XXS", 24: "IQ1_S", 25: "IQ4_NL", 26: "IQ3_S", 27: "IQ3_M", 28: "IQ2_S",
    29: "IQ2_M", 30: "IQ4_XS", 31: "IQ1_M", 32: "BF16", 36: "TQ1_0", 37: "TQ2_0", 38: "MXFP4",
    39: "NVFP4", 40: "Q1_0", 41: "Q2_0",
}  # fmt: skip
"""`general.file_type` → the name people know (llama.h, `llama_ftype`)."""

Value = str | int | float | bool | tuple[str | int | float | bool, ...] | None
"""`None` stands for a value that was too long to keep."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor: its shape, type name and size in bytes."""

    name: str
    shape: tuple[int, ...]
    type: str
    size: int


@dataclass(frozen=True, slots=True)
class Gguf:
    """A header. `tensors` is empty when only the keys were asked for."""

    path: Path
    version: int
    metadata: dict[str, Value]
    tensors: tuple[Tensor, ...]
    file_size: int

    @property
    def architecture(self) -> str:
        """`llama`, `qwen2`, … or an empty string."""
        return str(self.metadata.get("general.architecture") or "")

    @property
    def quantization(self) -> str | None:
        """The name people know, such as Q4_K_M; None when the file does not say."""
        kind = self.metadata.get("general.file_type")
        return FILE_TYPES.get(kind & 1023) if isinstance(kind, int) else None

    @property
    def weights(self) -> int:
        """Bytes of all tensors."""
        return sum(tensor.size for tensor in self.tensors)

    def number(self, key: str) -> int | None:
        """An integer of the architecture's own keys (`block_count` stands for `llama.block_count`)."""
        value = self.metadata.get(f"{self.architecture}.{key}")
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def count(self, key: str) -> int:
        """A number under its full key; 0 where there is none."""
        value = self.metadata.get(key)
        return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0

    def numbers(self, key: str) -> tuple[int, ...] | None:
        """As `number`, where a layer may have a value of its own; a single value is a tuple of one."""
        value = self.metadata.get(f"{self.architecture}.{key}")
        items = value if isinstance(value, tuple) else (value,)
        found = tuple(item for item in items if isinstance(item, int) and not isinstance(item, bool))
        return found if found and len(found) == len(items) else None


def read_gguf(path: Path, *, tensors: bool = True) -> Gguf:
    """The header of a GGUF file.

    Args:
        path: the file (the first part of a split one).
        tensors: also read the tensor table; without it reading stops at the vocabulary, which makes it quick.

    Raises:
        BadModelFile: it cannot be read, is no GGUF file, or lies about its own size.
    """
    try:
        found = path.stat()
        if stat.S_ISFIFO(found.st_mode) or stat.S_ISCHR(found.st_mode):  # nobody may ever write to it
            raise BadModelFile(f"{path.name} is no file.", hint="Name a file that ends in .gguf.")
        with path.open("rb") as file:
            return _read(path, _Bytes(file, found.st_size), found.st_size, tensors=tensors)
    except OSError as error:
        raise BadModelFile(
            f"{path.name} cannot be read: {error.strerror}.", hint="Check the path and its permissions."
        ) from error


class _Bytes:
    """The beginning of a file, read as far as needed."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._size = min(size, MAX_HEADER)
        self._data = bytearray()
        self._at = 0

    def left(self) -> int:
        return self._size - self._at

    def _have(self, count: int) -> None:
        if count > self.left():
            raise BadModelFile("The file ends before its header does.", hint="Fetch the model again.")
        while len(self._data) < self._at + count:
            part = self._file.read(max(_GROW, self._at + count - len(self._data)))
            if not part:
                raise BadModelFile("The file became shorter while it was read.", hint="Try again.")
            self._data += part

    def take(self, count: int) -> bytes:
        self._have(count)
        part = bytes(self._data[self._at : self._at + count])
        self._at += count
        return part

    def number(self, code: str) -> int:
        size = struct.calcsize(f"<{code}")
        self._have(size)
        (value,) = struct.unpack_from(f"<{code}", self._data, self._at)
        self._at += size
        return int(value)

    def text(self) -> str | None:
        length = self.number("Q")
        if length > MAX_KEPT_TEXT:
            self.skip(length)
            return None
        return self.take(length).decode("utf-8", "replace")

    def skip(self, count: int) -> None:
        if count > self.left():
            raise BadModelFile("The file ends before its header does.", hint="Fetch the model again.")
        beyond = self._at + count - len(self._data)
        if beyond <= 0:
            self._at += count
            return
        self._have(count)
        self._at += count

    def skip_texts(self, count: int) -> None:
        """Past `count` strings: a vocabulary and its merges are hundreds of thousands of them."""
        read = struct.Struct("<Q").unpack_from
        while count:
            self._have(8)
            data, at = self._data, self._at
            last = len(data) - 8
            while count and at <= last:  # those whose length is read already
                at += 8 + read(data, at)[0]
                count -= 1
            self.skip(at - self._at)


def _read(path: Path, data: _Bytes, size: int, *, tensors: bool) -> Gguf:
    if size < 24 or data.take(4) != b"GGUF":
        raise BadModelFile(f"{path.name} is no GGUF file.", hint="Name a file that ends in .gguf.")
    version = data.number("I")
    other = int.from_bytes(version.to_bytes(4, "little"), "big")
    if 0 < other < _OTHER_ORDER < version:
        raise BadModelFile(
            f"{path.name} is GGUF version {other} in big-endian order, which is not read here.", hint="Fetch the usual, little-endian file."
        )  # fmt: skip
    if version not in {2, 3}:
        raise BadModelFile(
            f"{path.name} is GGUF version {version}, not 2 or 3.", hint="Convert it with a current llama.cpp."
        )
    tensor_count, key_count = data.number("Q"), data.number("Q")
    if tensor_count > MAX_TENSORS or key_count > MAX_KEYS:
        raise BadModelFile(
            f"{path.name} claims {tensor_count} tensors and {key_count} keys.", hint="It is damaged: fetch it again."
        )
    metadata: dict[str, Value] = {}
    for _ in range(key_count):
        key = data.text() or ""
        if not tensors and key.startswith("tokenizer.") and "general.architecture" in metadata:
            return Gguf(path, version, metadata, (), size)
        metadata[key] = _value(data, data.number("I"), 0)
    found = tuple(_tensor(data) for _ in range(tensor_count)) if tensors else ()
    if sum(tensor.size for tensor in found) > size and not str(metadata.get("split.count") or "0").strip("0"):
        raise BadModelFile(
            f"{path.name} is shorter than the tensors it lists.", hint="The download is incomplete: fetch it again."
        )
    return Gguf(path, version, metadata, found, size)


def _value(data: _Bytes, kind: int, depth: int) -> Value:
    if kind == _STRING:
        return data.text()
    if kind == _ARRAY:
        return _array(data, depth)
    if kind not in _SCALARS:
        raise BadModelFile(f"The header has a value of unknown type {kind}.", hint="It is damaged: fetch it again.")
    return _scalars(data, kind, 1)[0]


def _scalars(data: _Bytes, kind: int, count: int) -> tuple[int | float | bool, ...]:
    form = struct.Struct(f"<{count}{_SCALARS[kind]}")
    return form.unpack(data.take(form.size))


def _array(data: _Bytes, depth: int) -> Value:
    kind, count = data.number("I"), data.number("Q")
    if depth > 2 or count > data.left():
        raise BadModelFile(
            "The header has an array longer than the file, or nested too deep.", hint="It is damaged: fetch it again."
        )
    if kind in _SCALARS:
        if count <= MAX_KEPT_ITEMS:
            return _scalars(data, kind, count)
        data.skip(count * struct.calcsize(f"<{_SCALARS[kind]}"))
    elif kind == _STRING:
        if count <= MAX_KEPT_ITEMS and count * 8 <= data.left():
            return _texts(data.text() for _ in range(count))
        data.skip_texts(count)
    else:
        if count > MAX_KEPT_ITEMS:
            raise BadModelFile("The header has an array of very many arrays.", hint="It is damaged: fetch it again.")
        for _ in range(count):
            _value(data, kind, depth + 1)
    return None


def _texts(items: Iterable[str | None]) -> tuple[str, ...]:
    return tuple(item or "" for item in items)


def _tensor(data: _Bytes) -> Tensor:
    name = data.text() or ""
    dimensions = data.number("I")
    if dimensions > 8:
        raise BadModelFile(f"A tensor has {dimensions} dimensions.", hint="It is damaged: fetch it again.")
    shape = tuple(data.number("Q") for _ in range(dimensions))
    kind = data.number("I")
    data.number("Q")  # its offset: the sum of the sizes is checked instead
    if kind in _GIVEN_UP:
        raise BadModelFile(
            f"A tensor has the type {kind}, which llama.cpp has given up.", hint="Fetch the model in one of today's quantisations."
        )  # fmt: skip
    if kind not in TENSOR_TYPES:
        raise BadModelFile(
            f"A tensor has the unknown type {kind}.", hint="The file is damaged, or newer than this program."
        )
    type_name, block, block_bytes = TENSOR_TYPES[kind]
    elements = 1
    for extent in shape:
        elements *= extent
    return Tensor(name[:1024], shape, type_name, -(-elements // block) * block_bytes)
