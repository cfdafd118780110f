"""The reproducibility record of one execution: plain data that can wait in a file until a store takes it."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml

from qhybrid_pipelines.core.canonical import sha256_hex
from qhybrid_pipelines.storage.histogram import counts_svg


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackingRecord:
    """What is kept about an execution.

    Attributes:
        key: deterministic; two records with the same key are the same run, and the later one counts. Without quotes.
        family: problem family; names the MLflow experiment.
        name: readable name of the run.
        params: settings that the key stands for, written once.
        metrics: numbers by name.
        tags: what may differ when the same run is recorded again.
        specification: the experiment as plain data; kept as YAML.
        circuit: the template as OpenQASM 3, None where there was nothing to run.
        drawing: the template drawn as text.
        counts: outcome as text (bit 0 rightmost) and how often it was measured.
        verdict: row of the comparison.
        provenance: row of the provenance.
        dagster_run_id: the Dagster run that wrote the record.
        parent_run_id: the MLflow run above this one.
        parent_key: key of the record above this one, where its run is not known yet.
        series: numbers that change from step to step: by name, pairs of step and value.
        dataset: what was learnt from: ``name``, ``digest``, ``source``, ``profile`` and ``context``.
        texts: further files by name.
        pictures: PNG files by name, as base64.
    """

    key: str
    family: str
    name: str
    params: Mapping[str, str | float | None] = field(default_factory=dict)
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    specification: Mapping[str, Any] = field(default_factory=dict)
    circuit: str | None = None
    drawing: str | None = None
    counts: tuple[tuple[str, int], ...] = ()
    verdict: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    dagster_run_id: str | None = None
    parent_run_id: str | None = None
    parent_key: str | None = None
    series: Mapping[str, Sequence[tuple[int, float]]] = field(default_factory=dict)
    dataset: Mapping[str, str] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    pictures: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.key or '"' in self.key or "'" in self.key:
            raise ValueError(f"{self.key!r} cannot be looked up: a key is text without quotes")

    @property
    def file_name(self) -> str:
        """Name of the file that the record waits in."""
        return f"{sha256_hex(self.key)[:32]}.json"

    def to_json(self) -> str:
        """Return the record as JSON; times become text."""
        return json.dumps(asdict(self), sort_keys=True, default=str)

    @classmethod
    def from_json(cls, text: str) -> TrackingRecord:
        """Return the record of :meth:`to_json`, also of another release: unknown fields are dropped.

        Raises:
            ValueError: it is not a record.
        """
        data = json.loads(text)
        if not isinstance(data, dict) or not {"key", "family", "name"} <= data.keys():
            raise ValueError("this is not a tracking record")
        known = {f.name: data[f.name] for f in fields(cls) if f.name in data}
        known["counts"] = tuple((outcome, count) for outcome, count in known.get("counts", ()))
        return cls(**known)

    def write_files(self, folder: Path) -> None:
        """Write what is stored with the run into an empty folder; no file for what there is not."""
        texts = {
            "specification.yaml": yaml.safe_dump(_plain(self.specification), sort_keys=False, allow_unicode=True)
            if self.specification
            else None,
            "circuit.qasm": self.circuit,
            "circuit.txt": self.drawing,
            "verdict.json": _pretty(self.verdict),
            "provenance.json": _pretty(self.provenance),
            **self.texts,
        }
        for name, text in texts.items():
            if text is not None:
                (folder / name).write_text(text, encoding="utf-8")
        for name, picture in self.pictures.items():
            (folder / name).write_bytes(base64.b64decode(picture))
        if self.counts:
            (folder / "counts.svg").write_text(counts_svg(self.counts, title=self.name), encoding="utf-8")


def _plain(data: Mapping[str, Any]) -> Any:
    """Return data as JSON would hold it: lists for tuples, text for times."""
    return json.loads(json.dumps(data, default=str))


def _pretty(data: Mapping[str, Any]) -> str | None:
    return json.dumps(_plain(data), indent=2, sort_keys=True, ensure_ascii=False) + "\n" if data else None
