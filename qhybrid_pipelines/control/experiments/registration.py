"""The only way in for experiments: whatever is wrong is refused here, before anything runs or is paid.

The command line, the inbox sensor and the next round of a continued experiment all come through `Registration`. Watching
the inbox folder is `control.inbox.scan`.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qhybrid_pipelines.control.experiments.allowed_files import GivenFiles, ReadableFolders
from qhybrid_pipelines.control.experiments.known_keys import KeyOf, keep_registered_default
from qhybrid_pipelines.control.experiments.named_files import (
    angle_files,
    circuit_files,
    dataset_files,
    model_circuits,
    series_files,
)
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.names import composed, find_file, name_in_allowed_letters, name_without_ending
from qhybrid_pipelines.core.specifications import schedules, variations
from qhybrid_pipelines.core.specifications.experiment_key import experiment_key
from qhybrid_pipelines.core.specifications.experiment_specification import ExperimentSpec, Lineage
from qhybrid_pipelines.core.specifications.learning_specification import LearningSpec
from qhybrid_pipelines.core.specifications.sampling_specification import AnySpec, SamplingSpec
from qhybrid_pipelines.core.specifications.specification_text import (
    MAX_BYTES,
    Lines,
    WrittenExperiment,
    find_line,
    read_experiments,
    read_mapping,
    validate_experiments,
)
from qhybrid_pipelines.core.specifications.variations import MAX_COMBINATIONS
from qhybrid_pipelines.problems import baseline_runs, registry, sources
from qhybrid_pipelines.storage.label_store import LabelStore
from qhybrid_pipelines.storage.schedule_store import ScheduleStore
from qhybrid_pipelines.storage.specifications import Specifications

SPECIFICATION_ENDINGS = (".yaml", ".yml", ".json")
#: Content of the problem or data file, the circuit and the file of angles; None for what is not named by a path. Last the files of a
#: series of circuits, by their hashes.
Files = tuple[bytes | None, bytes | None, bytes | None, Mapping[str, bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredExperiment:
    """An experiment that was registered; ``new`` is False when the same one was known already."""

    key: str
    specification: AnySpec
    new: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedExperiment:
    """A valid experiment, checked but not registered.

    Attributes:
        key: that it has, or would have.
        specification: with the names and hashes of its files in the place of paths.
        content: of its problem or data file; None where it has none, or names one that was registered earlier.
        circuit: the same of its circuit.
        angles: the same of its file of angles.
        series: contents of the files of a sampling experiment, by their hashes.
        labels: that it gives, as fields of `core.specifications.labels.Labels`.
    """

    key: str
    specification: AnySpec
    content: bytes | None
    circuit: bytes | None
    angles: bytes | None
    series: Mapping[str, bytes]
    labels: dict[str, Any]


class Registration:
    """Validates experiments and registers them under their content-addressed key.

    Args:
        specifications: the registry.
        backends: names of the backends that exist.
        roots: folders that files named by a specification must lie in, links followed; None lets it name whatever the
            user of this process may read, which suits a command and not a folder that others write to.
        key_of: returns the key of a specification, see `control.experiments.known_keys`; that of the registry when omitted.
        files: the only files that a specification can name, by name: then no path is ever opened, whatever it says.
        known: where experiments of older releases may be registered; ``specifications`` when omitted.
    """

    def __init__(
        self,
        specifications: Specifications,
        backends: Collection[str],
        *,
        roots: Collection[Path] | None = None,
        key_of: KeyOf | None = None,
        files: Mapping[str, bytes] | None = None,
        known: Specifications | None = None,
    ) -> None:
        self._specifications, self._labels = specifications, LabelStore(specifications.home)
        self._schedules = ScheduleStore(specifications.home)
        self._known = known or specifications
        self._backends = tuple(backends)
        self._roots = None if roots is None else tuple(root.resolve() for root in roots)
        self._key_of = key_of or specifications.key_of
        self._readable = ReadableFolders(self._roots) if files is None else GivenFiles(files)

    def register_file(self, path: Path) -> RegisteredExperiment:
        """Register the one experiment of a file; see :meth:`register_files`. Several are refused."""
        return self.register_files(path, most=1)[0]

    def register_files(self, path: Path, *, most: int = MAX_COMBINATIONS) -> list[RegisteredExperiment]:
        """Register a specification (YAML, JSON) or a problem file, with its sidecar ``<file name>.yaml`` if there is one.

        Returns:
            Its experiment; several where it says ``vary``.

        Raises:
            InvalidInput: names the file, line or field, and the remedy. Nothing was registered.
        """
        _check_file(path)
        if path.suffix.lower() in SPECIFICATION_ENDINGS:
            return self.register_texts(self._read_text(path), file=path.name, folder=path.parent, most=most)
        return self._register_problem_file(path, most)

    def register_text(self, text: str, *, file: str, folder: Path) -> RegisteredExperiment:
        """Register the one experiment of a text; see :meth:`register_texts`. Several are refused."""
        return self.register_texts(text, file=file, folder=folder, most=1)[0]

    def register_texts(
        self, text: str, *, file: str, folder: Path, most: int = MAX_COMBINATIONS
    ) -> list[RegisteredExperiment]:
        """Register the text of specifications of any kind; a relative path in it is looked up in ``folder``."""
        return self._register_all(read_experiments(text, file=file), file=file, folder=folder, most=most)

    def register(
        self, spec: AnySpec, *, file: str | None = None, folder: Path, lines: Lines | None = None
    ) -> RegisteredExperiment:
        """Register a specification; ``file`` and ``lines`` tell where it is written, for messages."""
        return self._register_all([WrittenExperiment(spec, lines or {}, {})], file=file, folder=folder, most=1)[0]

    def check_fields(self, fields: dict[str, Any], *, file: str, lines: Lines) -> CheckedExperiment:
        """Check the one experiment that a mapping of fields stands for, as `register` would, and register nothing.

        Raises:
            InvalidInput: what `register` would refuse.
        """
        written = validate_experiments(fields, file=file, lines=lines)
        _check_number(written, most=1, file=file)
        [one] = written
        if one.schedule is not None or one.unscheduled:
            raise InvalidInput(
                "an experiment with a schedule cannot be registered here",
                remedy=f"Omit `{schedules.FIELD}`, or register the page with `qhybrid run` or the inbox.",
                file=file,
                line=lines.get((schedules.FIELD,)),
                field=schedules.FIELD,
            )
        found, content, circuit, angles, series = self._resolve(
            one.specification, file=file, folder=Path(), lines=one.lines
        )
        return CheckedExperiment(
            key=self._key_of(found),
            specification=found,
            content=content,
            circuit=circuit,
            angles=angles,
            series=series,
            labels=one.labels,
        )

    def _register_all(
        self, written: list[WrittenExperiment], *, file: str | None, folder: Path, most: int
    ) -> list[RegisteredExperiment]:
        """Register some specifications, or none of them where one is wrong."""
        _check_number(written, most=most, file=file)
        contents: dict[bytes, bytes] = {}  # of one file there is one copy, however many experiments name it
        resolved = []
        for one in written:
            found, content, circuit, angles, series = self._resolve(
                one.specification, file=file, folder=folder, lines=one.lines
            )
            content = None if content is None else contents.setdefault(content, content)
            resolved.append((found, (content, circuit, angles), series, one))
        registered = []
        for spec, files, series, one in resolved:
            key = self._key_of(spec)
            new = key not in self._specifications
            self._specifications.register(spec, *files, series=series, key=key)
            self._labels.change(key, **one.labels)
            self._schedule(spec, one)
            registered.append(RegisteredExperiment(key=key, specification=spec, new=new))
        return registered

    def register_written(
        self, written: list[WrittenExperiment], *, file: str, folder: Path
    ) -> list[RegisteredExperiment]:
        """Register what was read from a page already. Raises as :meth:`register_files`."""
        return self._register_all(written, file=file, folder=folder, most=MAX_COMBINATIONS)

    def _schedule(self, spec: AnySpec, written: WrittenExperiment) -> None:
        """Store when an experiment is to be run again; an earlier page of the same name is replaced."""
        slug = experiment_key(spec).rpartition("-")[0]
        if written.schedule is not None:
            labels = {name: list(value) if name == "tags" else value for name, value in written.labels.items()}
            page = spec.model_dump(mode="json") | labels | {schedules.FIELD: written.schedule.rows()}
            self._schedules.keep(slug, page)
        elif written.unscheduled:
            self._schedules.remove(slug)

    def _resolve(self, spec: AnySpec, *, file: str | None, folder: Path, lines: Lines) -> tuple[AnySpec, *Files]:
        try:
            if isinstance(spec, LearningSpec):
                return *self._resolve_learning(spec, folder), None, {}
            if isinstance(spec, SamplingSpec):
                resolved, series = self._resolve_series(spec, folder)
                return resolved, None, None, None, series
            return self._resolve_problem(spec, folder)
        except InvalidInput as error:
            # What names a file is about that file, and has its line there.
            raise error if error.file else error.at(file=file, line=find_line(error.field, lines)) from None

    def _resolve_problem(self, spec: ExperimentSpec, folder: Path) -> tuple[ExperimentSpec, *Files]:
        if (
            self._roots is not None and spec.lineage != Lineage()
        ):  # it would run in the name of whoever sent its first round
            raise InvalidInput("the pipeline writes which round this is", remedy="Remove the field.", field="lineage")
        self._check_family(spec)
        self._check_backends(spec.backends, field="backends")
        if not str(spec.problem.source).startswith(sources.NETWORKX):
            self._readable.check(spec.problem.source, folder, field="problem.source")
        self._readable.check(spec.problem.circuit, folder, field="problem.circuit")
        self._readable.check(spec.sweep.file, folder, field=angle_files.FIELD)
        self._specifications.check_source_file(spec.problem.source)
        self._specifications.check_source_file(spec.problem.circuit, field="problem.circuit")
        self._specifications.check_source_file(spec.sweep.file, field=angle_files.FIELD)
        stored, named = self._specifications.read_source_file, self._readable
        problem, content = sources.register_source(spec.problem, folder, stored, read_named=named)
        problem, circuit_text, circuit = circuit_files.register_circuit(problem, spec, folder, stored, read_named=named)
        spec, angles = angle_files.register_angles(spec, circuit, folder, stored, read_named=named)
        spec = keep_registered_default(spec.model_copy(update={"problem": problem}), self._known, self._key_of)
        return spec, content, circuit_text, angles, {}

    def _resolve_series(self, spec: SamplingSpec, folder: Path) -> tuple[SamplingSpec, dict[str, bytes]]:
        self._check_backends(spec.backends, field="backends")
        for source, field in series_files.named_files(spec):
            self._readable.check(source, folder, field=field)
            self._specifications.check_source_file(source, field=field)
        stored = self._specifications.read_source_file
        return series_files.register_series(spec, folder, stored, read_named=self._readable)

    def _resolve_learning(self, spec: LearningSpec, folder: Path) -> tuple[LearningSpec, bytes | None, bytes | None]:
        self._check_backends(spec.evaluation.backends, field="evaluation.backends")
        if spec.dataset.bundled is None:
            self._readable.check(spec.dataset.source, folder, field=dataset_files.FIELD)
        self._specifications.check_source_file(spec.dataset.source, field=dataset_files.FIELD)
        stored = self._specifications.read_source_file
        spec, content = dataset_files.register_dataset(spec, folder, stored, read_named=self._readable)
        if spec.circuit is None:
            return spec, content, None
        self._readable.check(spec.circuit.file, folder, field=model_circuits.FIELD)
        self._specifications.check_source_file(spec.circuit.file, field=model_circuits.FIELD)
        spec, circuit = model_circuits.register_model_circuit(
            spec.circuit, spec, folder, stored, read_named=self._readable
        )
        return spec, content, circuit

    def _register_problem_file(self, path: Path, most: int) -> list[RegisteredExperiment]:
        data, lines, source_file = self._read_sidecar(path)
        problem = data.setdefault("problem", {})
        guess_format = sources.guess_format(path.name)
        if "family" not in problem:
            if guess_format is None:
                ending = f"the ending {path.suffix!r}" if path.suffix else "a name without an ending"
                raise InvalidInput(
                    f"{ending} does not tell which problem this is",
                    remedy=f"Put a file {path.name}.yaml beside it that says problem: {{family: ..., format: ...}}.",
                    file=path.name,
                )
            problem["family"] = guess_format[0]
        if composed(str(problem.setdefault("source", path.name))) != composed(path.name):
            raise InvalidInput(
                f"the problem of a sidecar is the file beside it, {path.name}",
                remedy="Remove the source, or give this specification a name of its own.",
                file=source_file,
                line=lines.get(("problem", "source")),
                field="problem.source",
            )
        data.setdefault("name", name_in_allowed_letters(f"{problem['family']}-{name_without_ending(path.name)}"))
        specs = validate_experiments(data, file=source_file, lines=lines)
        return self._register_all(specs, file=source_file, folder=path.parent, most=most)

    def _read_text(self, path: Path) -> str:
        """Return the text of a page; in a folder that others write to, a link is never followed, not even one made a moment ago."""
        return read_text(path, follow_links=self._roots is None)

    def _read_sidecar(self, path: Path) -> tuple[dict[str, Any], Lines, str]:
        """Return the fields of a problem file's sidecar, their lines, and the file that they are in: the problem file itself without one."""
        sidecar = find_file(path.with_name(path.name + ".yaml"))
        if not _is_file(sidecar):
            return {}, {}, path.name
        data, lines = read_mapping(self._read_text(sidecar), file=sidecar.name)
        problem = data.get("problem", {})
        if not isinstance(problem, dict):
            raise InvalidInput(
                "this must hold fields",
                remedy="Write `problem:` and indent its fields below.",
                file=sidecar.name,
                line=lines.get(("problem",)),
                field="problem",
            )
        return data, lines, sidecar.name

    def _check_backends(self, wanted: Collection[str], *, field: str) -> None:
        for backend in wanted:
            if backend not in self._backends:
                raise InvalidInput(
                    f"there is no backend {backend!r}",
                    remedy=f"Use some of: {', '.join(self._backends)}.",
                    field=field,
                )

    def _check_family(self, spec: ExperimentSpec) -> None:
        family = registry.family_named(spec.problem.family)
        baseline_runs.check_baselines(spec)
        if spec.ansatz.mixer == "xy" and not family.may_fix_ones:
            raise InvalidInput(
                f"mixer 'xy' keeps the number of ones, and the family {family.name!r} has no cardinality to keep",
                remedy="Use mixer: auto.",
                field="ansatz.mixer",
            )


def _check_number(written: Collection[WrittenExperiment], *, most: int, file: str | None) -> None:
    if len(written) > most:
        raise InvalidInput(
            f"this page makes {len(written)} experiments, and one is asked for here",
            remedy=f"Remove `{variations.FIELD}`.",
            file=file,
            field=variations.FIELD,
        )


def read_text(path: Path, *, follow_links: bool = True) -> str:
    """Return the text of a small UTF-8 file.

    Raises:
        InvalidInput: too large for a specification, not text, or not to be read; or a link, unless those are followed.
    """
    try:
        with path.open("rb") as stream:
            is_link = not follow_links and not os.path.samestat(os.fstat(stream.fileno()), path.lstat())
            data = b"" if is_link else stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise InvalidInput(
            f"the file cannot be read: {error.strerror}", remedy="Check its permissions.", file=path.name
        ) from None
    if is_link:
        raise InvalidInput("links are not followed here", remedy="Put the file itself there.", file=path.name)
    if len(data) > MAX_BYTES:
        raise InvalidInput(
            f"the file has more than {MAX_BYTES // 1024} kB",
            remedy="A specification is a page of text; name a large instance as problem.source.",
            file=path.name,
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise InvalidInput("this is not UTF-8 text", remedy="Save it as UTF-8.", file=path.name, line=line) from None


def _check_file(path: Path) -> None:
    if _is_file(path):
        return
    try:
        path.lstat()
    except (OSError, ValueError):
        raise InvalidInput("there is no such file", remedy="Check the path.", file=str(path)) from None
    what = "this is a folder" if path.is_dir() else "this is not a regular file, or a broken link"
    raise InvalidInput(what, remedy="Name a specification or a problem file.", file=str(path))


def _is_file(path: Path) -> bool:
    """Tell whether there is a regular file; a name longer than any file's is not one, and not an error."""
    try:
        return path.is_file()
    except OSError:
        return False
