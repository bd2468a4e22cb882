"""`python -m logs.ingest.worker`: parses pieces of files for the agent, so that its own interpreter stays free for live lines.

Standard input: eight bytes of lengths (of the description and of the data, each four, big-endian), the description as JSON, the data; first of all the patterns of
secrets, in the same way. Standard output: the same form with the answer as JSON and the rows as an Arrow stream. It ends when its input does.
"""

import gc
import struct
import sys
from importlib.abc import MetaPathFinder
from typing import IO, Final

import msgspec
import pyarrow as pa

from logs.core.errors import LogsError
from logs.ingest.chunk import Answer, Chunk, ChunkParser
from logs.parsing.shape import Shape
from logs.redaction.line_mask import mask_of

LENGTHS: Final = struct.Struct(">II")
_COLLECT_EVERY: Final = 64


class _WithoutPandas(MetaPathFinder):
    """pyarrow imports pandas, where it is installed, at its first list: a second and 60 MB."""

    def find_spec(self, fullname: str, _path: object, _target: object = None, /) -> None:
        """Refuse the one module."""
        if fullname == "pandas":
            raise ModuleNotFoundError(f"{fullname} is left out of this process", name=fullname)


def main() -> int:
    """Answer until the input ends."""
    sys.meta_path.insert(0, _WithoutPandas())
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    first = read_message(source)
    if first is None:
        return 0
    parser = ChunkParser(mask_of(msgspec.json.decode(first[0], type=list[str])))
    gc.freeze()
    gc.disable()  # rows make no cycles, and looking for some costs a tenth of the time
    done = 0
    while (message := read_message(source)) is not None:
        answer, data = _answer(parser, *message)
        sink.write(LENGTHS.pack(len(answer), data.size))
        sink.write(answer)
        sink.write(data)
        sink.flush()
        done += 1
        if done % _COLLECT_EVERY == 0:
            gc.collect()
    return 0


def _answer(parser: ChunkParser, description: bytes, data: bytes) -> tuple[bytes, pa.Buffer]:
    sink = pa.BufferOutputStream()
    try:
        table, answer = parser.parse(msgspec.json.decode(description, type=Chunk), data)
    except (LogsError, msgspec.DecodeError, ValueError, OverflowError) as error:
        return msgspec.json.encode(Answer(Shape(), 0, None, f"{type(error).__name__}: {error}")), sink.getvalue()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return msgspec.json.encode(answer), sink.getvalue()


def read_message(source: IO[bytes]) -> tuple[bytes, bytes] | None:
    """Description and data; None at the end of the stream, also in the middle of a message."""
    head = source.read(LENGTHS.size)
    if len(head) < LENGTHS.size:
        return None
    first, second = LENGTHS.unpack(head)
    description, data = source.read(first), source.read(second)
    return (description, data) if len(description) == first and len(data) == second else None


if __name__ == "__main__":
    raise SystemExit(main())
