"""From `problem:` in a specification to an instance, whichever of the three kinds of source it names.

A file is registered once (`register_source`): from then on its content counts, under its hash, and not the path it had.
Keeping that content is the caller's; nothing here writes.
"""

from __future__ import annotations

import dataclasses
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from pydantic import BaseModel, ValidationError

from qhybrid_pipelines.core.canonical import sha256_hex
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.names import PACKED, composed, find_file, name_without_ending
from qhybrid_pipelines.core.specifications.experiment_specification import FileSource, GeneratorSource, ProblemSpec
from qhybrid_pipelines.core.specifications.validation_messages import first_finding
from qhybrid_pipelines.problems.family import Family
from qhybrid_pipelines.problems.formats.lines import MAX_BYTES, decode_text, file_too_large_error, unpack
from qhybrid_pipelines.problems.graphs import networkx_graph
from qhybrid_pipelines.problems.instance import Instance
from qhybrid_pipelines.problems.registry import all_families, family_named

#: Gives the content of a file that was registered.
ReadBytes = Callable[[FileSource], bytes]

NETWORKX = "networkx:"
#: Most terms or edges of an instance; a million edges were seen to take 4.9 GB of memory to prepare.
MAX_TERMS = 400_000


def load_instance(problem: ProblemSpec, read_bytes: ReadBytes) -> Instance:
    """Return the instance that a specification names.

    Args:
        problem: where the instance comes from; a file must have been registered before.
        read_bytes: gives the content of such a file.

    Raises:
        InvalidInput: names file and line, or the field below ``problem``.
    """
    family = family_named(problem.family)
    options = _validate(family.options, problem.options, "problem.options")
    source = problem.source
    if isinstance(source, FileSource):
        instance = _from_file(family, problem, source, options, read_bytes)
    elif problem.format is not None:
        raise InvalidInput("a format belongs to a file", remedy="Remove it.", field="problem.format")
    elif isinstance(source, GeneratorSource):
        _check_generator_options(problem.options)
        instance = _from_generator(family, source)
    elif source.startswith(NETWORKX):
        name = source.removeprefix(NETWORKX)
        instance = dataclasses.replace(family.from_graph(networkx_graph(name), name, options), name=name, source=source)
    else:
        raise InvalidInput(
            f"the file {source!r} was not registered",
            remedy="Submit the experiment by `qhybrid run` or the inbox, which keep a copy of the file.",
            field="problem.source",
        )
    stated_best_known: float | None = getattr(options, "best_known", None)
    if stated_best_known is None or (isinstance(source, FileSource) and instance.best_known is not None):
        return instance  # a reader has taken it over, perhaps with another sign
    return dataclasses.replace(instance, best_known=stated_best_known)


class ReadFile(Protocol):
    """Gives name and content of a file that a specification names by its path; see `read_file`."""

    def __call__(self, path_text: str, folder: Path, *, field: str) -> tuple[str, bytes]:
        """Return name and content; raise InvalidInput, at ``field``, where there is no such file."""


def register_source(
    problem: ProblemSpec, folder: Path, read_bytes: ReadBytes | None = None, *, read_named: ReadFile | None = None
) -> tuple[ProblemSpec, bytes | None]:
    """Return the problem with a path replaced by the file's name and hash, and the content to keep.

    The format is filled in where the file's ending leaves no doubt. Whatever the source is, the instance is loaded
    once, so that nothing wrong gets in.

    Args:
        problem: as the user wrote it.
        folder: where a relative path starts.
        read_bytes: gives the content of files registered earlier; without it such a problem is not checked again.
        read_named: gives the file of a path; `read_file` where it is left out.

    Returns:
        The problem, and the bytes of the file; None where the source was not a path.

    Raises:
        InvalidInput: the file is not there, is not a regular file, is too large, or holds no valid instance.
    """
    source = problem.source
    if not isinstance(source, str) or source.startswith(NETWORKX):
        if read_bytes is not None or not isinstance(source, FileSource):
            _check_terms(load_instance(problem, read_bytes or _no_registered_file), file=None)
        return problem, None
    family = family_named(problem.family)
    name, data = (read_named or read_file)(source, folder, field="problem.source")
    registered = problem.model_copy(
        update={
            "source": FileSource(file=name, sha256=sha256_hex(data)),
            "format": problem.format or family.file_suffixes.get(_ending(name)),
        }
    )
    _check_terms(load_instance(registered, lambda _: data), file=name)
    return registered, data


def _check_terms(instance: Instance, *, file: str | None) -> None:
    """Refuse an instance with which no stage could work in the memory of a usual machine."""
    terms = max((len(part) for part in instance.payload.values() if isinstance(part, list)), default=0)
    if terms > MAX_TERMS:
        raise InvalidInput(
            f"the instance has {terms:,} terms or edges, and at most {MAX_TERMS:,} are supported",
            remedy="Take a smaller one, or a part of it: preparing it would take more than 2 GB of memory.",
            file=file,
            field="problem.source",
        )


def guess_format(file_name: str) -> tuple[str, str] | None:
    """Return (family, format) where the ending of a file belongs to one family only, otherwise None."""
    ending = _ending(file_name)
    found = [
        (family.name, family.file_suffixes[ending])
        for family in all_families().values()
        if ending in family.native_suffixes
    ]
    return found[0] if len(found) == 1 else None


def _from_file(
    family: Family, problem: ProblemSpec, source: FileSource, options: BaseModel, read_bytes: ReadBytes
) -> Instance:
    _check_name(source.file)
    formats = {*family.parsers, *family.binary_parsers}
    known = ", ".join(sorted(formats))
    if problem.format is None:
        raise InvalidInput(
            f"the name {source.file!r} does not tell the format of the file",
            remedy=f"Declare one of: {known}. Formats are never guessed, a wrong guess changes the optimum.",
            field="problem.format",
        )
    if problem.format not in formats:
        raise InvalidInput(
            f"the family {family.name!r} does not read the format {problem.format!r}",
            remedy=f"Use one of: {known}.",
            field="problem.format",
        )
    data = read_bytes(source)
    if sha256_hex(data) != source.sha256:
        raise InvalidInput(
            "the content is not what was registered",
            remedy="The stored copy was changed; submit the experiment again with the file.",
            file=source.file,
        )
    data = unpack(data, file=source.file)
    try:
        if problem.format in family.binary_parsers:
            instance = family.binary_parsers[problem.format](data, options, source.file)
        else:
            instance = family.parsers[problem.format](decode_text(data, file=source.file), options, source.file)
    except InvalidInput as error:
        raise error.at(file=source.file) from None
    return dataclasses.replace(instance, name=name_without_ending(source.file), source=f"file:{source.file}")


def _ending(file_name: str) -> str:
    """Return the ending that tells the format, in lower case: of ``graph.mtx.gz`` it is ``.mtx``."""
    path = Path(file_name.lower())
    return Path(path.stem).suffix if path.suffix == PACKED else path.suffix


def _from_generator(family: Family, source: GeneratorSource) -> Instance:
    if source.generator not in family.generators:
        known = ", ".join(family.generators)
        raise InvalidInput(
            f"the family {family.name!r} has no generator {source.generator!r}",
            remedy=f"Use one of: {known}." if known else "Give a file or a graph.",
            field="problem.source.generator",
        )
    parameters, generate = family.generators[source.generator]
    instance = generate(_validate(parameters, source.model_extra or {}, "problem.source"))
    return dataclasses.replace(instance, source=f"generator:{source.generator}")


def _check_generator_options(options: Mapping[str, Any]) -> None:
    for name in options:
        if name != "best_known":
            raise InvalidInput(
                "a generator takes its parameters as fields next to its name, and this option would have no effect",
                remedy="Move it into problem.source, if the generator knows it, or remove it.",
                field=f"problem.options.{name}",
            )


def _validate(model: type[BaseModel], values: Mapping[str, Any], field: str) -> BaseModel:
    """Return the strict model of ``values``, or raise its first finding at the field it belongs to."""
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        found = first_finding(error, values, model)
        raise InvalidInput(found.problem, remedy=found.remedy, field=".".join([field, *found.path])) from None


def read_file(
    path_text: str,
    folder: Path,
    *,
    field: str = "problem.source",
    check_place: Callable[[Path, int | None], None] = lambda _path, _opened: None,
) -> tuple[str, bytes]:
    """Return name and content of a file that a specification names; its size is looked at before it is read.

    Args:
        path_text: as it is named.
        folder: where a relative path starts.
        field: that names it.
        check_place: raises for a file that must not be read. It is asked before anything is known of the file, and again with the
            file descriptor of what was opened, because a link may have taken the file's place meanwhile.

    Raises:
        InvalidInput: it is not there, is not a regular file, is too large, or cannot be read; at ``field``.
    """
    try:
        path = find_file(folder / path_text, field=field)
        _check_name(path.name, field)
        check_place(path, None)
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise InvalidInput(f"{path_text!r} is not a regular file", remedy="Name the file itself.", field=field)
        if status.st_size > MAX_BYTES:
            raise file_too_large_error(status.st_size, file=path.name).at(field=field)
        with path.open("rb") as stream:
            check_place(path, stream.fileno())
            return composed(path.name), stream.read()
    except FileNotFoundError:
        raise InvalidInput(
            f"there is no file {path_text!r}",
            remedy="Give a path relative to the specification"
            + (", networkx:NAME, or {generator: NAME, ...}." if field == "problem.source" else "."),
            field=field,
        ) from None
    except (OSError, ValueError) as error:
        raise InvalidInput(
            f"the file {path_text!r} cannot be read: {getattr(error, 'strerror', None) or error}",
            remedy="Check the path and the permissions.",
            field=field,
        ) from None


def _check_name(name: str, field: str = "problem.source") -> None:
    if not name or name in (".", "..") or not name.isprintable() or "/" in name or "\\" in name:
        raise InvalidInput(
            f"{name!r} is not a file name", remedy="Use a name without path or control characters.", field=field
        )


def _no_registered_file(source: FileSource) -> bytes:
    raise AssertionError(source)
