"""Packed bits, Ising energies, reduced models and seeds against definitions written out in plain Python."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from qhybrid_pipelines.core.binary_models.bits import assignment_array, assignment_text, bitstring, pack, unpack
from qhybrid_pipelines.core.binary_models.ising import IsingModel
from qhybrid_pipelines.core.binary_models.reduced_model import ReducedModel
from qhybrid_pipelines.core.canonical import canonical_json, content_hash, sha256_hex
from qhybrid_pipelines.core.seeds import derive_seed, derive_seed_31bit, generator

# Multiples of 1/4 keep every sum exact, so that equality is equality.
QUARTERS = st.integers(-400, 400).map(lambda value: value / 4)
LAW = settings(deadline=None, max_examples=60)


def matrices(max_rows=5, max_width=64):
    shape = st.tuples(st.integers(0, max_rows), st.integers(0, max_width))
    return shape.flatmap(lambda size: arrays.arrays(np.uint8, size, elements=st.integers(0, 1)))


@st.composite
def qubos(draw, max_size=7):
    """Linear terms, pairs in any order and orientation with repeats, and a constant."""
    size = draw(st.integers(0, max_size))
    linear = np.array(draw(st.lists(QUARTERS, min_size=size, max_size=size)), dtype=np.float64)
    index = st.integers(0, max(size - 1, 0))
    pair = st.tuples(index, index).filter(lambda ij: ij[0] != ij[1])
    pairs = draw(st.lists(pair, max_size=12)) if size > 1 else []
    quadratic = np.array(draw(st.lists(QUARTERS, min_size=len(pairs), max_size=len(pairs))), dtype=np.float64)
    return linear, np.array(pairs, dtype=np.int32).reshape(-1, 2), quadratic, draw(QUARTERS)


def by_definition(linear, pairs, quadratic, offset, x):
    terms = [a * x[i] for i, a in enumerate(linear)] + [
        q * x[i] * x[j] for (i, j), q in zip(pairs.tolist(), quadratic, strict=True)
    ]
    return offset + sum(terms)


def everything(size):
    """All assignments, in the order of their packed words."""
    return [tuple(word >> i & 1 for i in range(size)) for word in range(2**size)]


@LAW
@given(matrix=matrices())
def test_pack_and_unpack_are_inverse(matrix):
    words = pack(matrix)
    assert words.dtype == np.uint64
    assert words.tolist() == [sum(int(bit) << i for i, bit in enumerate(row)) for row in matrix]
    np.testing.assert_array_equal(unpack(words, matrix.shape[1]), matrix)


@LAW
@given(word=st.integers(0, 2**64 - 1), width=st.integers(0, 64))
def test_unpacking_keeps_the_low_bits_only(word, width):
    row = unpack(np.array([word], dtype=np.uint64), width)[0]
    assert row.tolist() == [word >> i & 1 for i in range(width)]


def test_more_bits_than_the_words_hold_are_refused():
    """Outcomes of more than one word: `test_bits_wide.py`."""
    with pytest.raises(ValueError, match="65"):
        unpack(np.zeros(1, dtype=np.uint64), 65)
    assert pack(np.zeros((1, 65), dtype=np.uint8)).shape == (1, 2)
    with pytest.raises(ValueError, match="129"):
        unpack(np.zeros((1, 2), dtype=np.uint64), 129)


@LAW
@given(row=arrays.arrays(np.uint8, st.integers(0, 100), elements=st.integers(0, 1)))
def test_assignments_go_through_text(row):
    text = assignment_text(row)
    assert text == "".join(map(str, row.tolist()))
    np.testing.assert_array_equal(assignment_array(text), row)


def test_an_outcome_is_written_with_bit_0_rightmost():
    assert bitstring(0b001, 3) == "001"
    assert bitstring(int(pack(np.array([[1, 0, 0]], dtype=np.uint8))[0]), 3) == "001"
    assert bitstring(0, 0) == ""


@LAW
@given(qubo=qubos())
def test_an_ising_model_has_the_energies_of_its_qubo(qubo):
    model = IsingModel.from_qubo(*qubo)
    expected = [by_definition(*qubo, x) for x in everything(model.size)]
    np.testing.assert_array_equal(model.diagonal, expected)
    assert (model.pairs[:, 0] < model.pairs[:, 1]).all()
    assert (model.couplings != 0).all()
    pairs = [tuple(pair) for pair in model.pairs.tolist()]
    assert pairs == sorted(set(pairs))


@LAW
@given(qubo=qubos())
def test_to_qubo_is_the_way_back(qubo):
    model = IsingModel.from_qubo(*qubo)
    again = IsingModel.from_qubo(*model.to_qubo())
    assert again.to_dict() == model.to_dict()
    back = model.to_qubo()
    assert [by_definition(*back, x) for x in everything(model.size)] == model.diagonal.tolist()


@LAW
@given(qubo=qubos())
def test_all_ways_to_an_energy_agree(qubo):
    model = IsingModel.from_qubo(*qubo)
    words = np.arange(2**model.size, dtype=np.uint64)
    rows = unpack(words, model.size)
    np.testing.assert_array_equal(model.assignment_energies(rows), model.diagonal)
    np.testing.assert_array_equal(model.energies(words), model.diagonal)
    assert IsingModel.from_dict(model.to_dict()).to_dict() == model.to_dict()


def test_energies_above_the_width_of_a_table():
    size = 40
    random = generator(7, "energies")
    model = IsingModel.from_qubo(
        np.arange(size, dtype=np.float64),
        np.array(list(itertools.pairwise(range(size))), dtype=np.int32),
        np.ones(size - 1),
        0.25,
    )
    words = random.integers(0, 2**size, size=70_000, dtype=np.uint64)
    np.testing.assert_array_equal(model.energies(words), model.assignment_energies(unpack(words, size)))


def test_the_diagonal_cannot_be_changed():
    model = IsingModel.from_qubo(np.ones(2), np.zeros((0, 2), dtype=np.int32), np.zeros(0), 0.0)
    with pytest.raises(ValueError, match="read-only"):
        model.diagonal[0] = 1.0


@st.composite
def reduced_models(draw):
    """A reduced model of k variables in an instance of n, in which every reduced-model variable has a place."""
    size = draw(st.integers(0, 6))
    others = draw(st.lists(st.integers(-1, size - 1), max_size=6))
    root = np.array(draw(st.permutations([*range(size), *others])), dtype=np.int32)
    value = np.array(draw(st.lists(st.integers(0, 1), min_size=len(root), max_size=len(root))), dtype=np.uint8)
    model = IsingModel.from_qubo(np.zeros(size), np.zeros((0, 2), dtype=np.int32), np.zeros(0), 0.0)
    return ReducedModel(model=model, root=root, value=value, cardinality=None, exact=True)


@LAW
@given(reduced_model=reduced_models())
def test_expand_follows_its_definition(reduced_model):
    words = np.arange(2**reduced_model.size, dtype=np.uint64)
    rows = reduced_model.expand(words)
    for word, row in zip(words.tolist(), rows, strict=True):
        copies = zip(reduced_model.root.tolist(), reduced_model.value.tolist(), strict=True)
        assert row.tolist() == [constant if r < 0 else (word >> r & 1) ^ constant for r, constant in copies]


def test_seeds_are_named_streams():
    """Numbers written down once: a change here changes every stored result."""
    assert derive_seed(7, "shots", 0) == 404291380224966138
    assert derive_seed_31bit(7, "shots", 0) == derive_seed(7, "shots", 0) & 0x7FFFFFFF
    assert generator(7, "a").integers(0, 1000, 3).tolist() == generator(7, "a").integers(0, 1000, 3).tolist()


@LAW
@given(seed=st.integers(0, 2**31 - 1), labels=st.lists(st.text(max_size=5) | st.integers(), max_size=4))
def test_a_seed_depends_on_its_labels_alone(seed, labels):
    value = derive_seed(seed, *labels)
    assert 0 <= value < 2**63
    assert value == derive_seed(seed, *labels)
    assert value != derive_seed(seed, *labels, "more")
    assert 0 <= derive_seed_31bit(seed, *labels) < 2**31


@LAW
@given(value=st.dictionaries(st.text(max_size=4), st.floats(allow_nan=False, allow_infinity=False) | st.integers()))
def test_canonical_json_does_not_depend_on_order(value):
    turned = dict(reversed(value.items()))
    assert canonical_json(turned) == canonical_json(value)
    assert content_hash(turned) == content_hash(value) == sha256_hex(canonical_json(value))


def test_canonical_json_has_no_nan():
    with pytest.raises(ValueError, match="JSON"):
        canonical_json([float("nan")])
