"""The list of tensor types against the library that loads the models: a newer release of it shows here what is missing."""

import ctypes
import sys
from pathlib import Path

import pytest

from ai.model_files.gguf import TENSOR_TYPES

xllamacpp = pytest.importorskip("xllamacpp")


@pytest.mark.skipif(sys.platform != "linux", reason="the library's file has another name elsewhere")
def test_every_type_of_the_library_is_known_with_its_size() -> None:
    """Name, elements and bytes of a block, for all types that have any."""
    library = ctypes.CDLL(str(next(Path(xllamacpp.__file__).parent.glob("*.so"))))
    library.ggml_type_name.restype = ctypes.c_char_p
    library.ggml_type_size.restype = ctypes.c_size_t
    library.ggml_blck_size.restype = ctypes.c_int64
    for kind, (name, elements, size) in TENSOR_TYPES.items():
        assert library.ggml_type_name(kind).decode().upper() == name
        assert (library.ggml_blck_size(kind), library.ggml_type_size(kind)) == (elements, size)
    known = max(TENSOR_TYPES)
    sizes = [library.ggml_blck_size(kind) for kind in range(known)]
    assert {kind for kind, elements in enumerate(sizes) if elements} == TENSOR_TYPES.keys() - {known}
