"""Results kept as files, to be decoded again without the machine that gave them.

``<folder>/<backend>/<batch>.recording`` is one line of JSON (where the result comes from, and its SHA-256), then the
provider's bytes, letter for letter. A batch is named by what decides its result: template, bindings, shots and seeds.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from qhybrid_pipelines.core.canonical import canonical_json, sha256_hex
from qhybrid_pipelines.core.errors import CorruptResult
from qhybrid_pipelines.core.jobs.circuit_jobs import CircuitBatch, JobRef, RawResult
from qhybrid_pipelines.core.system.files import remove_leftovers, write_bytes

SUFFIX = ".recording"


def batch_key(batch: CircuitBatch) -> str:
    """Return the name of a batch, whichever backend it is for."""
    digest = sha256_hex(
        f"{batch.template.template_id}|{batch.shots}|{batch.bindings.shape}|{batch.seeds.shape}|".encode()
        + np.ascontiguousarray(batch.bindings, dtype="<f8").tobytes()
        + np.ascontiguousarray(batch.seeds, dtype="<u8").tobytes()
    )
    return digest[:32]


def backend_slug(backend: str) -> str:
    """Return a backend's name as it is after ``replay:`` and in file names."""
    return backend.replace(":", ".", 1)


def record_result(folder: Path, batch: CircuitBatch, raw: RawResult) -> Path:
    """Store a result with those already in ``folder`` and return its file; an older one of the same batch is replaced.

    Args:
        folder: of all recordings.
        batch: that was run.
        raw: what its provider's ``fetch`` returned.
    """
    file = folder / backend_slug(batch.backend) / f"{batch_key(batch)}{SUFFIX}"
    remove_leftovers(file.parent)
    write_bytes(file, pack_recording(raw))
    return file


def pack_recording(raw: RawResult) -> bytes:
    """Return the content of a recording's file."""
    head = {
        "provider": raw.ref.provider,
        "backend": raw.ref.backend,
        "provider_job_id": raw.ref.provider_job_id,
        "content_type": raw.content_type,
        "sha256": raw.sha256,
    }
    return canonical_json(head).encode() + b"\n" + raw.content


def unpack_recording(content: bytes) -> RawResult:
    """Return the result that a recording's file holds, as it was fetched.

    Raises:
        CorruptResult: it is not a recording, or not what was recorded.
    """
    line, _, rest = content.partition(b"\n")
    try:
        head = json.loads(line)
        ref = JobRef(provider=head["provider"], backend=head["backend"], provider_job_id=head["provider_job_id"])
        content_type, digest = head["content_type"], head["sha256"]
    except (ValueError, KeyError, TypeError):
        raise CorruptResult("the recording cannot be read") from None
    raw = RawResult(ref=ref, content=rest, content_type=content_type)
    if raw.sha256 != digest:
        raise CorruptResult("the recording is not what was recorded")
    return raw


def recorded_backends(folder: Path) -> tuple[str, ...]:
    """Return the slugs of the backends of which there are recordings."""
    if not folder.is_dir():
        return ()
    return tuple(sorted({file.parent.name for file in folder.glob(f"*/*{SUFFIX}")}))
