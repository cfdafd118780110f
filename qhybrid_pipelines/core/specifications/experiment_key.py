"""The key of an experiment: a readable slug and sixteen digits of its content hash.

The first releases wrote eight digits, of which two among 20,000 experiments of one name are alike in 4.5 % of all cases. Such a
key stays valid, and the experiment that was registered under it keeps it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from qhybrid_pipelines.core.canonical import canonical_json, sha256_hex
from qhybrid_pipelines.core.errors import InvalidInput

if TYPE_CHECKING:
    from qhybrid_pipelines.core.specifications.sampling_specification import AnySpec

#: Fields that came after the first release: at their default they do not count, so that the keys of before stay.
_FIELDS_ADDED_LATER = (("data_class", "internal"), ("circuit", None))

#: Key under which the ledger holds the circuits that prove the bit order of a backend. No specification hashes to zeros.
CANARY_EXPERIMENT = "canary-00000000"

#: Digits of the content hash in a key, and in one of the first releases.
DIGITS, SHORT_DIGITS = 16, 8

KEY_PATTERN = re.compile(
    rf"^[a-z0-9]+(?:-[a-z0-9]+)*-[0-9a-f]{{{SHORT_DIGITS}}}(?:[0-9a-f]{{{DIGITS - SHORT_DIGITS}}})?$"
)


def experiment_key(spec: AnySpec) -> str:
    """Return the content-addressed key of a specification, for example ``maxcut-karate-6f2a91c0b51e07d4``.

    Two specifications with the same content have the same key, however they were written down; a problem file counts
    by its content (`FileSource.sha256`), not by where it lay.
    """
    slug = re.sub(r"[^a-z0-9]+", "-", spec.name.lower()).strip("-")[:48].strip("-") or "experiment"
    return f"{slug}-{sha256_hex(experiment_text(spec))[:DIGITS]}"


def short_key(key: str) -> str:
    """Return the key that the first releases gave to the experiment of a key."""
    slug, _, digits = key.rpartition("-")
    return f"{slug}-{digits[:SHORT_DIGITS]}"


def key_fits(key: str, content: bytes) -> bool:
    """Tell whether the digits of a key are those of a specification's text."""
    return sha256_hex(content).startswith(key.rpartition("-")[2])


def experiment_text(spec: AnySpec) -> str:
    """Return the canonical JSON of a specification, whose hash is in its key."""
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
            remedy="A key looks like maxcut-karate-6f2a91c0b51e07d4; `qhybrid experiments` lists those that exist.",
        )
    return key
