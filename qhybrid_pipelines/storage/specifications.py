"""The register of experiments: immutable specifications by key, and the problem files that they name by hash."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from filelock import FileLock

from qhybrid_pipelines.core.canonical import sha256_hex
from qhybrid_pipelines.core.errors import CorruptFile, InvalidInput
from qhybrid_pipelines.core.specifications.experiment_key import (
    check_key,
    experiment_key,
    experiment_text,
    key_fits,
    short_key,
)
from qhybrid_pipelines.core.system.files import make_folder, write_bytes
from qhybrid_pipelines.storage.content_store import RawStore
from qhybrid_pipelines.storage.layout import Home

if TYPE_CHECKING:  # who only lists keys builds none of these models, which takes 50 ms
    from qhybrid_pipelines.core.specifications.experiment_specification import ExperimentSpec, FileSource
    from qhybrid_pipelines.core.specifications.sampling_specification import AnySpec


def model_of(content: str | bytes) -> type[AnySpec]:
    """Return the kind of specification that a text says it is."""
    kind = json.loads(content).get("kind")
    if kind == "qml":
        from qhybrid_pipelines.core.specifications.learning_specification import LearningSpec

        return LearningSpec
    if kind == "sampling":
        from qhybrid_pipelines.core.specifications.sampling_specification import SamplingSpec

        return SamplingSpec
    from qhybrid_pipelines.core.specifications.experiment_specification import ExperimentSpec

    return ExperimentSpec


@dataclass(frozen=True, slots=True)
class Specifications:
    """Registered experiments of a home."""

    home: Home

    def key_of(self, spec: AnySpec) -> str:
        """Return the key of a specification: the shorter one of the first releases where it was registered under that.

        Raises:
            InvalidInput: what is registered under the shorter key was changed, so that nobody can tell whether it is this one.
        """
        key, text = experiment_key(spec), experiment_text(spec).encode()
        try:
            registered = self._path(short_key(key)).read_bytes()
        except FileNotFoundError:
            return key
        if registered == text:
            return short_key(key)
        if not key_fits(short_key(key), registered):
            raise self._clash(short_key(key))
        return key  # another specification, whose hash begins alike

    def register(
        self,
        spec: AnySpec,
        blob: bytes | None = None,
        circuit: bytes | None = None,
        angles: bytes | None = None,
        *,
        series: Mapping[str, bytes] = MappingProxyType({}),
        key: str | None = None,
    ) -> str:
        """Keep a specification, and the bytes of its problem or data file, circuit and angles if it has them; return its key.

        Registering again changes nothing. The files are kept before the specification, so that a key that can be
        loaded always has its files.

        Args:
            spec: the specification.
            blob: bytes of its problem or data file.
            circuit: bytes of its circuit.
            angles: bytes of its file of angles.
            series: bytes of the files of a sampling experiment, by their hashes.
            key: the key that it has elsewhere, its shorter one perhaps; `key_of` when omitted.

        Raises:
            InvalidInput: the file is missing or is not the one the specification names, or another specification
                already has this key (their hashes begin alike).
        """
        from qhybrid_pipelines.core.specifications.learning_specification import LearningSpec
        from qhybrid_pipelines.core.specifications.sampling_specification import SamplingSpec

        key, text = key or self.key_of(spec), experiment_text(spec)
        if isinstance(spec, LearningSpec):
            self._store_source_file(spec.dataset.source, blob, field="dataset.source")
            own = None if spec.circuit is None else spec.circuit.file
            self._store_source_file(own, circuit, field="circuit.file")
        elif isinstance(spec, SamplingSpec):
            for source, field in [
                *((s, "circuit.files") for s in spec.circuit.files),
                (spec.reference.file, "reference.file"),
            ]:
                self._store_source_file(source, series.get(getattr(source, "sha256", "")), field=field)
        else:
            self._store_source_file(spec.problem.source, blob, field="problem.source")
            self._store_source_file(spec.problem.circuit, circuit, field="problem.circuit")
            self._store_source_file(spec.sweep.file, angles, field="sweep.file")
        path = self._path(key)
        make_folder(self.home.locks)
        with FileLock(self.home.locks / "specifications.lock"):
            if not path.exists():
                write_bytes(path, text.encode(), tmp=self.home.tmp)
            elif path.read_text(encoding="utf-8") != text:
                raise self._clash(key)
        return key

    def load(self, key: str) -> ExperimentSpec:
        """Return the optimisation registered under ``key``. Raises as :meth:`load_any`, and for one of another kind."""
        from qhybrid_pipelines.core.specifications.experiment_specification import ExperimentSpec

        spec = self.load_any(key)
        if isinstance(spec, ExperimentSpec):
            return spec
        if spec.kind == "sampling":
            raise InvalidInput(
                f"experiment {key} is a sampling experiment (kind: sampling)",
                remedy=f"`qhybrid report {key}` shows what came out, in the tables of the group `sample`; name an optimisation here.",
            )
        raise InvalidInput(
            f"experiment {key} is a learning experiment (kind: qml)",
            remedy=f"`qhybrid report {key}` shows what came out, in the tables of the group `learn`; name an optimisation here.",
        )

    def load_any(self, key: str) -> AnySpec:
        """Return the specification registered under ``key``, of whichever kind.

        Raises:
            InvalidInput: ``key`` has not the form of a key, or is not registered.
            CorruptFile: the file was changed after it was registered.
        """
        from pydantic import ValidationError

        path = self._path(key)
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            raise self._unknown(key) from None
        except OSError as error:
            raise CorruptFile(
                str(path), f"it cannot be read: {error.strerror}", remedy="Check its permissions and the disk."
            ) from None
        # The key holds the hash of this very text, whatever fields later releases add to the model.
        if not key_fits(key, content):
            raise CorruptFile(
                str(path), "it was changed after it was registered", remedy="Register the specification again."
            )
        try:
            return model_of(content).model_validate_json(content)
        except ValidationError as error:
            first = error.errors()[0]
            raise CorruptFile(
                str(path),
                f"this release cannot read it: {'.'.join(map(str, first['loc']))}: {first['msg']}",
                remedy="Use the release that registered it, or write the specification again.",
            ) from None

    def keys(self) -> tuple[str, ...]:
        """Return the keys of all registered experiments, sorted."""
        return tuple(sorted(path.stem for path in self.home.specifications.glob("*.json")))

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __contains__(self, key: str) -> bool:
        return self._path(key).is_file()

    def registered_at(self, key: str) -> datetime:
        """Return when an experiment was registered first, UTC; whether it can be read does not matter.

        Raises:
            InvalidInput: ``key`` has not the form of a key, or is not registered.
        """
        try:
            return datetime.fromtimestamp(self._path(key).stat().st_mtime, tz=UTC)
        except FileNotFoundError:
            raise self._unknown(key) from None

    def read_source_file(self, source: FileSource) -> bytes:
        """Return the problem file or circuit that a specification names.

        Raises:
            CorruptFile: it is gone, or its bytes are not those that were registered.
        """
        return self._blobs.get(source.sha256)

    def check_source_file(self, source: object, *, field: str = "problem.source") -> None:
        """Check that a file which a specification names by its hash is there; other sources need none.

        Raises:
            InvalidInput: it was never registered.
        """
        from qhybrid_pipelines.core.specifications.experiment_specification import FileSource

        if isinstance(source, FileSource) and source.sha256 not in self._blobs:
            raise InvalidInput(
                f"the file {source.file!r} with SHA-256 {source.sha256} was never registered",
                remedy=f"Give the path of the file as {field}.",
                field=field,
            )

    def _path(self, key: str) -> Path:
        return self.home.specifications / f"{check_key(key)}.json"

    def _unknown(self, key: str) -> InvalidInput:
        return InvalidInput(
            f"experiment {key} is not registered in {self.home.path}",
            remedy="Run `qhybrid run SPEC` or drop the specification into the inbox; `--home` selects another home.",
        )

    def _clash(self, key: str) -> InvalidInput:
        return InvalidInput(
            f"the key {key} already belongs to a different specification, or its file was changed",
            remedy=f"Change `name` a little, which gives another key; the registered one is {self._path(key)}.",
            field="name",
        )

    @property
    def _blobs(self) -> RawStore:
        return RawStore(self.home.blobs, self.home.tmp)

    def _store_source_file(self, source: object, blob: bytes | None, *, field: str) -> None:
        from qhybrid_pipelines.core.specifications.experiment_specification import FileSource

        if not isinstance(source, FileSource):
            if blob is not None:
                raise InvalidInput(
                    "a file was given, but the specification names none",
                    remedy=f"Name the file in {field}, or omit it.",
                    field=field,
                )
            return
        if blob is None:
            self.check_source_file(source, field=field)
        elif sha256_hex(blob) != source.sha256:
            raise InvalidInput(
                "the file's bytes do not have the SHA-256 that the specification names",
                remedy=f"Give the path of the file as {field}, without a hash.",
                file=source.file,
                field=f"{field}.sha256",
            )
        else:
            self._blobs.put(blob)
