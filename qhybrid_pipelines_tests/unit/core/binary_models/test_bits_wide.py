"""Outcomes wider than a word: packed, unpacked and counted as Python's whole numbers say."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from qhybrid_pipelines.core.binary_models.bits import high_bits, low_word, ones, pack, unpack
from qhybrid_pipelines.core.binary_models.energy_tables import as_words
from qhybrid_pipelines.problems.measured_counts import read_counts


@given(
    st.integers(65, 300).flatmap(
        lambda width: st.tuples(st.just(width), st.lists(st.integers(0, 2**width - 1), min_size=1, max_size=5))
    )
)
def test_rows_words_and_columns_of_a_table_are_the_same_outcomes(case):
    width, numbers = case
    rows = np.array([[number >> bit & 1 for bit in range(width)] for number in numbers], dtype=np.uint8)
    words = pack(rows)
    assert (unpack(words, width) == rows).all()
    assert [sum(int(word) << 64 * place for place, word in enumerate(row)) for row in words.tolist()] == numbers
    assert ones(words).tolist() == [number.bit_count() for number in numbers]
    assert (as_words(low_word(words), high_bits(words), width) == words).all()


@given(st.lists(st.integers(0, 2**130 - 1), min_size=1, max_size=20))
def test_counts_of_wide_outcomes_are_summed_by_the_whole_outcome(numbers):
    """Two outcomes that share their lowest 64 bits are two."""
    numbers += [number ^ (1 << 100) for number in numbers]
    rows = np.array([[number >> bit & 1 for bit in range(130)] for number in numbers], dtype=np.uint8)
    words = pack(rows)
    counts = {
        "point": np.zeros(len(numbers), dtype=np.int32),
        "repetition": np.zeros(len(numbers), dtype=np.int32),
        "bits": low_word(words),
        "high_bits": high_bits(words),
        "count": np.ones(len(numbers), dtype=np.int64),
    }
    found = read_counts(counts, width=130)
    distinct = [
        sum(int(word) << 64 * place for place, word in enumerate(row)) for row in found.distinct_outcomes.tolist()
    ]
    assert distinct == sorted(set(numbers))
    per_outcome = np.bincount(found.outcome, weights=found.count)
    assert per_outcome.tolist() == [numbers.count(number) for number in distinct]
