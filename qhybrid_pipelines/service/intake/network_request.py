"""What a body may ask for, before anything is computed: a specification, and the few files that are sent with it.

A specification that comes over the network is not what a person of this machine may write: it names no path, no file that was
registered for somebody else, and none of the fields that the pipeline itself writes. Everything else is for the same door as the
inbox (`control.experiments.registration`), in a process that may be lost (`service.intake.check_process`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from qhybrid_pipelines.core.canonical import canonical_json, sha256_hex
from qhybrid_pipelines.core.names import composed
from qhybrid_pipelines.core.specifications import variations
from qhybrid_pipelines.service.intake.json_bodies import read_object
from qhybrid_pipelines.service.intake.uploads import SHA256
from qhybrid_pipelines.service.problem_documents import ProblemError, invalid

SPECIFICATION, FILES, UPLOAD = "specification", "files", "upload"
MAX_FILES = 4
MAX_NAME_LETTERS = 100
NETWORKX, BUNDLED = "networkx:", "sklearn:"
#: Fields that are written by the pipeline, or mean several experiments.
_NOT_FROM_OUTSIDE: Mapping[str, str] = {
    "lineage": "The pipeline writes it: remove it.",
    variations.FIELD: "Send one experiment in a request: remove it, and send each with a key of its own.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkRequest:
    """What somebody asks for over the network.

    Attributes:
        specification: its fields as they were sent.
        files: the texts that were sent with it, by name.
        uploads: hashes of the files that were sent ahead, by name.
    """

    specification: dict[str, Any]
    files: dict[str, str]
    uploads: dict[str, str] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the canonical body: the same for the same request, however it was written."""
        uploads = {name: {UPLOAD: sha256} for name, sha256 in self.uploads.items()}
        return sha256_hex(canonical_json({SPECIFICATION: self.specification, FILES: {**self.files, **uploads}}))


def read_request(body: bytes) -> NetworkRequest:
    """Return what a body asks for.

    Raises:
        ProblemError: it is not JSON, is too large, or holds what nobody may send.
    """
    found = read_object(body)
    for name in found:
        if name not in (SPECIFICATION, FILES):
            raise invalid(
                f"there is no field {name[:60]!r} here",
                remedy=f"A body has {SPECIFICATION!r}, and perhaps {FILES!r}.",
                field=name[:60],
            )
    specification, files = found.get(SPECIFICATION), found.get(FILES, {})
    if not isinstance(specification, dict):
        raise invalid("there is no specification", remedy="Send its fields as an object.", field=SPECIFICATION)
    _check_files(files)
    # As a page of text is read: an accent is the same letter however it is stored.
    specification = json.loads(composed(json.dumps(specification, ensure_ascii=False)))
    given = {composed(name): value for name, value in files.items()}
    for name, remedy in _NOT_FROM_OUTSIDE.items():
        if name in specification:
            raise invalid("this field is not accepted over HTTP", remedy=remedy, field=f"{SPECIFICATION}.{name}")
    used = [
        *_named_file(specification, ("problem", "source"), given, schemes=(NETWORKX,)),
        *_named_file(specification, ("problem", "circuit"), given),
        *_named_file(specification, ("dataset", "source"), given, schemes=(BUNDLED,)),
        *_named_file(specification, ("circuit", "file"), given),
    ]
    for name in given:
        if name not in used:
            raise invalid(
                f"no field of the specification names the file {name!r}",
                remedy="Name it as problem.source, problem.circuit, dataset.source or circuit.file, or leave it out.",
                field=FILES,
            )
    return NetworkRequest(
        specification=specification,
        files={name: value for name, value in given.items() if isinstance(value, str)},
        uploads={name: value[UPLOAD] for name, value in given.items() if isinstance(value, dict)},
    )


def _check_files(files: object) -> None:
    if not isinstance(files, dict) or len(files) > MAX_FILES:
        raise invalid(
            f"files are given as an object of at most {MAX_FILES} names and texts",
            remedy='Write {"graph.mc": "..."}.',
            field=FILES,
        )
    for name, text in files.items():
        if (
            not 0 < len(name) <= MAX_NAME_LETTERS
            or name in (".", "..")
            or not name.isprintable()
            or any(letter in name for letter in "/\\:")
        ):
            raise invalid(
                f"{name[:60]!r} is not a file name",
                remedy="Use a name without folders, colons and control characters.",
                field=FILES,
            )
        if isinstance(text, dict) and text.keys() == {UPLOAD}:
            if isinstance(text[UPLOAD], str) and SHA256.fullmatch(text[UPLOAD]):
                continue
            raise invalid(
                "this is not the hash of an upload",
                remedy="Give the `sha256` that POST /v1/uploads has answered, 64 hexadecimal digits.",
                field=f"{FILES}.{name}.{UPLOAD}",
            )
        if not isinstance(text, str):
            raise invalid(
                "the content of a file is text, or an upload",
                remedy=f'Send it as a JSON string, or as {{"{UPLOAD}": "..."}} after POST /v1/uploads.',
                field=f"{FILES}.{name}",
            )


def _named_file(
    specification: Mapping[str, Any],
    path: tuple[str, str],
    files: Mapping[str, object],
    *,
    schemes: tuple[str, ...] = (),
) -> list[str]:
    """Return the file that a field names, if it does; one that was not sent with it is refused, and never looked for."""
    part = specification.get(path[0])
    value = part.get(path[1]) if isinstance(part, dict) else None
    field = ".".join((SPECIFICATION, *path))
    if isinstance(value, str):
        if value in files:
            return [value]
        if not value.startswith(schemes or ("\0",)):
            raise _not_along(value, field)
    elif isinstance(value, dict) and value.keys() & {"file", "sha256"}:
        raise invalid(
            "a file cannot be named by its hash over HTTP",
            remedy=f"Send its text, or the hash of an upload, in `{FILES}`, and name it here.",
            field=field,
        )
    return []


def _not_along(value: str, field: str) -> ProblemError:
    return invalid(
        f"{value[:80]!r} is not among the files that were sent with it",
        remedy=f"Send its text in `{FILES}` under just this name; no file of the service's machine is read.",
        field=field,
    )
