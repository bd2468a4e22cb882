"""What the sockets to the kernel have in common: room for bursts, and a filter that runs before the reader is woken.

Sources: socket(7); Documentation/networking/filter.rst.
"""

import ctypes
import socket
import struct
from collections.abc import Sequence
from typing import Final

_BUFFER: Final = 8 << 20
_SO_RCVBUFFORCE: Final = 33
_SO_ATTACH_FILTER: Final = 26

Step = tuple[int, int, int, int]
"""One instruction of a filter: code, jump if true, jump if false, operand."""


def make_room(sock: socket.socket) -> None:
    """Let messages of a burst wait in the kernel; where that much is not allowed, as much as everyone may.

    Raises:
        OSError: the kernel refuses both.
    """
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER)
    except OSError:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)


def attach_filter(sock: socket.socket, program: Sequence[Step]) -> None:
    """Let the kernel drop the messages for which this BPF program returns 0.

    Raises:
        OSError: this kernel has no socket filters.
    """
    code = b"".join(struct.pack("=HBBI", *step) for step in program)
    memory = ctypes.create_string_buffer(code, len(code))
    sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", len(program), ctypes.addressof(memory)))
