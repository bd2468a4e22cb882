"""llama.cpp's own C interface, as it stands in xllamacpp's library, and the context of a model that its server has loaded.

Structures that go by value are opaque: larger than any version's, and last among the arguments.
"""

import ctypes
import importlib.util
import struct
from pathlib import Path
from typing import Any, BinaryIO, Final

_ELF64: Final = b"\x7fELF\x02\x01"
_LOAD, _DYNAMIC, _RELRO = 1, 2, 0x6474E552
_STRTAB, _SYMTAB, _PLTRELSZ, _JMPREL = 5, 6, 2, 23


class Params(ctypes.Structure):
    """`llama_model_params` or `llama_context_params`, as the library fills them in."""

    _fields_ = (("opaque", ctypes.c_uint64 * 128),)


class Batch(ctypes.Structure):
    """`llama_batch`."""

    _fields_ = (("opaque", ctypes.c_uint64 * 16),)


def library_path() -> Path:
    """Where the library lies.

    Raises:
        OSError: it is not there.
    """
    spec = importlib.util.find_spec("xllamacpp")
    folders = list(spec.submodule_search_locations or []) if spec is not None else []
    found = [path for folder in folders for path in sorted(Path(folder).glob("xllamacpp*.so"))]
    if not found:
        raise OSError("xllamacpp's library is not where it was expected")
    return found[0]


def library() -> Any:
    """The library's C interface, as far as it is used here.

    Raises:
        OSError, AttributeError: it is not there, or has another interface.
    """
    lib = ctypes.CDLL(str(library_path()))
    pointer, count = ctypes.c_void_p, ctypes.c_int32
    for name, result, *arguments in (
        ("llama_backend_init", None), ("llama_model_default_params", Params), ("llama_context_default_params", Params),
        ("llama_model_load_from_file", pointer, ctypes.c_char_p, Params), ("llama_init_from_model", pointer, pointer, Params),
        ("llama_set_n_threads", None, pointer, count, count), ("llama_batch_get_one", Batch, ctypes.POINTER(count), count),
        ("llama_n_threads", count, pointer), ("llama_n_threads_batch", count, pointer),
        ("llama_decode", count, pointer, Batch), ("llama_get_memory", pointer, pointer),
        ("llama_memory_clear", None, pointer, ctypes.c_bool), ("llama_synchronize", None, pointer), ("llama_log_set", None, pointer, pointer),
    ):  # fmt: skip
        function = getattr(lib, name)
        function.restype, function.argtypes = result, arguments
    return lib


class ServerContext:
    """The context of the model that a server in this process has loaded, which its Python interface does not show.

    Before each batch the server calls `llama_get_memory(context)`, through the library's table of calls. The address in that table leads here until the first such
    call has been seen; then it is what it was. Make it after the server has loaded: while it loads, it keeps the interpreter, and a call into it would wait for ever.

    Args:
        threads: what the server was loaded with, for generating and for reading.

    Raises:
        OSError, AttributeError, LookupError: the library has another interface, or another form.
    """

    def __init__(self, threads: tuple[int, int]) -> None:
        self._lib, self._threads = library(), threads
        address = ctypes.cast(self._lib.llama_get_memory, ctypes.c_void_p).value or 0
        slot, symbol = _call_slot(library_path(), b"llama_get_memory")
        self._slot = ctypes.c_uint64.from_address(address - symbol + slot)
        self._address, self._seen = address, 0
        kind = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)
        real = kind(address)

        def see(context: int) -> int:
            self._seen = context
            memory: int = real(context)
            return memory

        self._see = kind(see)  # kept: the library may be on its way to it for as long as the process lives
        self._slot.value = ctypes.cast(self._see, ctypes.c_void_p).value or address

    def generate_with(self, threads: int) -> bool:
        """Generate with so many threads from the next token on; whether the context is known by now.

        Raises:
            LookupError: it is not the context of the model that was loaded.
        """
        if not self._seen:
            return False
        if self._slot.value != self._address:
            self._slot.value = self._address
            if (self._lib.llama_n_threads(self._seen), self._lib.llama_n_threads_batch(self._seen)) != self._threads:
                raise LookupError("the context has other threads than it was loaded with")
        self._lib.llama_set_n_threads(self._seen, threads, self._threads[1])
        return True


def _call_slot(path: Path, name: bytes) -> tuple[int, int]:
    """Where the address of a function stands that a library calls, and where the function itself, both from the library's beginning.

    Raises:
        OSError, LookupError: the library has another form, or does not let the address be exchanged.
    """
    with path.open("rb") as file:
        header = _read(file, 0, 64)
        if header[:6] != _ELF64:
            raise LookupError("the library is no ELF file of 64 bits")
        (first,), (size, count) = struct.unpack_from("<Q", header, 32), struct.unpack_from("<HH", header, 54)
        parts = [struct.unpack_from("<IIQQQQQQ", _read(file, first + size * at, size)) for at in range(count)]
        loads = [(start, offset, held) for kind, _, offset, start, _, held, _, _ in parts if kind == _LOAD]
        dynamic = next(((offset, held) for kind, _, offset, _, _, held, _, _ in parts if kind == _DYNAMIC), None)
        if dynamic is None:
            raise LookupError("the library has no dynamic section")
        tags = dict(struct.iter_unpack("<qQ", _read(file, *dynamic)))
        if not {_STRTAB, _SYMTAB, _PLTRELSZ, _JMPREL} <= tags.keys():
            raise LookupError("the library has no table of calls")
        strings, symbols = _offset(loads, tags[_STRTAB]), _offset(loads, tags[_SYMTAB])
        for slot, info, _ in struct.iter_unpack("<QQq", _read(file, _offset(loads, tags[_JMPREL]), tags[_PLTRELSZ])):
            at, _, _, section, value, _ = struct.unpack("<IBBHQQ", _read(file, symbols + 24 * (info >> 32), 24))
            if _read(file, strings + at, len(name) + 1) != name + b"\0":
                continue
            fixed = any(kind == _RELRO and start <= slot < start + held for kind, _, _, start, _, _, held, _ in parts)
            if fixed or not section:
                raise LookupError("the address of this function cannot be exchanged")
            return slot, value
    raise LookupError("the library does not call this function through its table")


def _read(file: BinaryIO, at: int, size: int) -> bytes:
    file.seek(at)
    return file.read(size)


def _offset(loads: list[tuple[int, int, int]], address: int) -> int:
    """Where in the file an address of the loaded library is.

    Raises:
        LookupError: nowhere.
    """
    for start, offset, held in loads:
        if start <= address < start + held:
            return address - start + offset
    raise LookupError("the library's tables are not in the file")
