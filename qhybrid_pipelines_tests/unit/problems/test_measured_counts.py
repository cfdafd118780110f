"""Counts are sorted and summed without losing a shot."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from qhybrid_pipelines.core.errors import CorruptResult
from qhybrid_pipelines.problems.measured_counts import read_counts, sum_out_ancillas


def test_ancillas_are_summed_out_and_no_shot_is_lost():
    random = np.random.default_rng(5)
    size, width = 500, 3
    rows = {
        "point": random.integers(0, 3, size),
        "repetition": random.integers(0, 4, size),
        "bits": random.integers(0, 1 << 6, size).astype(np.uint64),
        "count": random.integers(1, 9, size),
    }
    expected: Counter[tuple[int, int, int]] = Counter()
    for point, repetition, bits, count in zip(*(rows[name].tolist() for name in rows), strict=True):
        expected[point, repetition, bits % 8] += count
    found = sum_out_ancillas(rows, width=width)
    keys = zip(*(found[name].tolist() for name in ("point", "repetition", "bits")), strict=True)
    assert dict(zip(keys, found["count"].tolist(), strict=True)) == dict(expected)
    read_counts(found, width=width)
    with pytest.raises(CorruptResult):
        read_counts(rows, width=width)


def test_counts_without_ancillas_stay_as_they_are():
    rows = {name: np.array([1, 0]) for name in ("point", "repetition", "bits", "count")}
    assert sum_out_ancillas(rows, width=1) is rows
    assert sum_out_ancillas({name: np.array([], dtype=np.int64) for name in rows}, width=1)["bits"].size == 0
