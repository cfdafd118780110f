"""The form of our own simulators' results: an Arrow stream of counts with a head.

The head (one JSON text in the schema's metadata) says which job, payload and engine the counts belong to, and carries
every timestamp; the counts themselves are the same bytes for the same batch.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pyarrow as pa

from qhybrid_pipelines.core.canonical import canonical_json
from qhybrid_pipelines.core.errors import CorruptResult

HEAD = b"qhybrid"
CONTENT_TYPE = "application/vnd.apache.arrow.stream"


def encode(counts: pa.Table, head: dict[str, Any]) -> bytes:
    """Return counts and head as one Arrow stream; a digest of the counts is added to the head."""
    head = {**head, "counts_sha256": counts_digest(counts)}
    sink = pa.BufferOutputStream()
    stamped = counts.replace_schema_metadata({HEAD: canonical_json(head)})
    with pa.ipc.new_stream(sink, stamped.schema) as writer:
        writer.write_table(stamped)
    return bytes(sink.getvalue())


def read_head(content: bytes) -> dict[str, Any]:
    """Return the head of a stream, without reading the counts.

    Raises:
        CorruptResult: there is none.
    """
    try:
        with pa.ipc.open_stream(content) as reader:
            head: dict[str, Any] = json.loads(reader.schema.metadata[HEAD])
            return head
    except (pa.ArrowInvalid, OSError, TypeError, KeyError, ValueError) as error:
        raise CorruptResult(f"the result cannot be read: {error}") from None


def read_counts(content: bytes) -> pa.Table:
    """Return the counts of a stream, without its head.

    Raises:
        CorruptResult: the stream is cut off or damaged, or the counts are not those that were written.
    """
    head = read_head(content)
    try:
        with pa.ipc.open_stream(content) as reader:
            counts = reader.read_all().replace_schema_metadata(None)
        counts.validate(full=True)
    except (pa.ArrowInvalid, OSError) as error:
        raise CorruptResult(f"the result cannot be read: {error}") from None
    if counts_digest(counts) != head.get("counts_sha256"):
        raise CorruptResult("the result's counts are not those that were written")
    return counts


def counts_digest(counts: pa.Table) -> str:
    """Return the SHA-256 of the values of a counts table, whatever its chunks."""
    digest = hashlib.sha256(str(counts.num_rows).encode())
    for name in ("point", "repetition", "bits", "count"):
        digest.update(counts.column(name).to_numpy().tobytes())
    for high in (
        counts.column("high_bits").to_pylist() if counts.column("high_bits").null_count < counts.num_rows else ()
    ):
        digest.update(b"-" if high is None else high)
    return digest.hexdigest()
