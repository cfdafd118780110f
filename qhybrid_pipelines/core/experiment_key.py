"""The key of an experiment: a readable slug and eight digits of its content hash."""

from __future__ import annotations

import re

from qhybrid_pipelines.core.canonical import canonical_json, sha256_hex
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.learning_specification import LearningSpec
from qhybrid_pipelines.core.specification import ExperimentSpec

#: Fields that came after the first release: at their default they do not count, so that the keys of before stay.
_FIELDS_ADDED_LATER = (("data_class", "internal"),)

#: Key under which the ledger holds the circuits that prove the bit order of a backend. No specification hashes to zeros.
CANARY_EXPERIMENT = "canary-00000000"

KEY_PATTERN = re.compile(r"^[a-z0-9]+(?:-[a-z0-9]+)*-[0-9a-f]{8}$")


def experiment_key(spec: ExperimentSpec | LearningSpec) -> str:
    """Return the content-addressed key of a specification, for example ``maxcut-karate-6f2a91c0``.

    Two specifications with the same content have the same key, however they were written down; a problem file counts
    by its content (`FileSource.sha256`), not by where it lay.
    """
    backend_slug = re.sub(r"[^a-z0-9]+", "-", spec.name.lower()).strip("-")[:48].strip("-") or "experiment"
    return f"{backend_slug}-{sha256_hex(experiment_text(spec))[:8]}"


def experiment_text(spec: ExperimentSpec | LearningSpec) -> str:
    """Return the canonical JSON of a specification, whose hash stands in its key."""
    return canonical_json(
        {
            name: value
            for name, value in spec.model_dump(mode="json").items()
            if (name, value) not in _FIELDS_ADDED_LATER
        }
    )


def check_key(key: str) -> str:
    """Return ``key`` unchanged when it has the form of an experiment key.

    Raises:
        InvalidInput: it has not, for example because it holds path characters.
    """
    if not KEY_PATTERN.fullmatch(key):
        raise InvalidInput(
            f"{key!r} is not an experiment key",
            remedy="A key looks like maxcut-karate-6f2a91c0; `qhybrid experiments` lists those that exist.",
        )
    return key
