"""What the process does that runs a person's SQL (`python -m monitor.store.adhoc_sql`).

It reads one JSON line for each query from standard input: `{"path", "sql", "limit", "form": "json" | "arrow", "memory_mb"}`. It answers
with one JSON line, `{"size": bytes, "last": bool}` and that many bytes, or `{"error": {"kind": "query" | "store", "message", "hint"}}`.
It ends when standard input closes, or when `last` was true: then it holds memory that is better given back.
"""

import contextlib
import io
import json
import os
import queue
import re
import threading
import traceback
from pathlib import Path
from typing import Any, BinaryIO, Final

import duckdb
import msgspec
import pyarrow as pa

from monitor.core.errors import QueryError, StoreError
from monitor.store.adhoc_sql.guard import check_reading, too_much_memory, wrong_query
from monitor.store.adhoc_sql.json_values import plain_rows
from monitor.store.adhoc_sql.live_file import attach
from monitor.store.adhoc_sql.process_limits import data_bytes, limit_data, limit_process

_MIB: Final = 1024 * 1024
MOST_BYTES: Final = 64 * _MIB
"""Maximum size of an answer."""
_KEPT_BYTES: Final = 150_000_000
"""A process that has grown by more is not used again. An engine and its threads take some 45 MB."""
_BESIDE_BYTES: Final = 128_000_000
"""What a query may take besides the engine's own memory: its threads, one batch, the answer."""
_BATCH: Final = 1000
_NO_MEMORY: Final = re.compile(r"out ?of ?memory|memory ?error|bad_alloc|allocation failure", re.IGNORECASE)
_CONFIG: Final[dict[str, str | bool | int | float | list[str]]] = {
    "threads": 2,
    "autoload_known_extensions": False,
    "autoinstall_known_extensions": False,
    "allow_community_extensions": False,
    "allow_persistent_secrets": False,
    "python_enable_replacements": False,
}
_LOCK_DOWN: Final = """
SET temp_directory = '';
SET GLOBAL TimeZone = 'UTC';
SET enable_external_access = false;
SET lock_configuration = true;
"""


class Answer(io.RawIOBase):
    """Collects an answer, up to `MOST_BYTES`."""

    def __init__(self) -> None:
        super().__init__()
        self.body = io.BytesIO()

    def writable(self) -> bool:
        """Yes."""
        return True

    def write(self, data: Any, /) -> int:
        """Add bytes.

        Raises:
            QueryError: the answer is too long.
        """
        view = memoryview(data)
        if self.body.tell() + view.nbytes > MOST_BYTES:
            raise QueryError(
                f"the answer takes more than {MOST_BYTES // _MIB} MiB", hint="ask for fewer rows, or shorter values"
            )
        return self.body.write(view)


def answer(question: dict[str, Any], began: int) -> memoryview:
    """The answer to one question, as JSON text or an Arrow stream. The process had allocated `began` bytes before its first question.

    Raises:
        QueryError: the SQL is wrong, not allowed, or takes too much.
        StoreError: the store cannot be read now.
    """
    path, budget = str(question["path"]), int(question["memory_mb"])
    limit_data(began + budget * _MIB + _BESIDE_BYTES)
    connection = duckdb.connect(":memory:", config={**_CONFIG, "memory_limit": f"{budget}MiB"})
    try:
        try:
            attach(connection, path, Path(path).stem)
            connection.execute(_LOCK_DOWN)
            connection.execute("BEGIN TRANSACTION READ ONLY")
        except duckdb.Error as error:
            *_, why = str(error).strip().splitlines()
            raise StoreError(f"the store cannot be read now: {why}", hint="try again in a moment") from error
        try:
            statement = check_reading(connection, str(question["sql"]))
            reader = connection.sql(statement).to_arrow_reader(_BATCH)
            write = _write_arrow if question["form"] == "arrow" else _write_json
            collected = Answer()
            write(collected, reader, int(question["limit"]))
            return collected.body.getbuffer()
        except (
            MemoryError,
            duckdb.Error,
            pa.ArrowException,
            OSError,
        ) as error:  # OSError: the engine's errors, by way of Arrow
            if _NO_MEMORY.search(f"{type(error).__name__} {error}"):
                raise too_much_memory(budget) from error
            raise wrong_query(error) from error
    finally:
        connection.close()


def _write_json(to: Answer, reader: pa.RecordBatchReader, limit: int) -> None:
    encoder, before, left, more = msgspec.json.Encoder(), b"", limit, False
    to.write(b'{"columns":' + encoder.encode(reader.schema.names) + b',"rows":[')
    while not more and (batch := next(reader, None)) is not None:
        more = batch.num_rows > left
        for row in plain_rows(pa.Table.from_batches([batch.slice(0, left)])):
            to.write(before + encoder.encode(row))
            before = b","
        left -= batch.num_rows
    to.write(b'],"truncated":' + (b"true}" if more else b"false}"))


def _write_arrow(to: Answer, reader: pa.RecordBatchReader, limit: int) -> None:
    with pa.ipc.new_stream(to, reader.schema) as stream:
        for batch in reader:
            stream.write_batch(batch.slice(0, limit))
            limit -= batch.num_rows
            if limit <= 0:
                break


def serve(output: BinaryIO) -> None:
    """Answer questions until standard input ends."""
    questions: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(questions,), name="input", daemon=True).start()
    began = data_bytes()
    while True:
        question = json.loads(questions.get())
        head: dict[str, Any]
        body = memoryview(b"")
        try:
            body = answer(question, began)
            head = {"size": len(body)}
        except StoreError as error:
            kind = "query" if isinstance(error, QueryError) else "store"
            head = {"error": {"kind": kind, "message": error.message, "hint": error.hint}}
        last = data_bytes() - len(body) - began > _KEPT_BYTES
        output.write(json.dumps({**head, "last": last}).encode() + b"\n")
        output.write(body)
        output.flush()
        if last:
            return
        del body


def _listen(questions: "queue.SimpleQueue[bytes]") -> None:
    """Take questions; end the process at once, whatever it does, when nobody can ask any more."""
    waiting = b""
    while data := os.read(0, 65536):
        *lines, waiting = (waiting + data).split(b"\n")
        for line in lines:
            questions.put(line)
    os._exit(0)


def main() -> None:
    """Run the process."""
    limit_process()
    code = 1
    try:
        with contextlib.suppress(BrokenPipeError), os.fdopen(os.dup(1), "wb") as output:
            serve(output)
        code = 0
    except Exception:  # noqa: BLE001 - it is told before the process ends, and the parent sees the exit code
        traceback.print_exc()
    finally:
        os._exit(code)  # without the engine's own farewell, which takes time and has nothing to save
