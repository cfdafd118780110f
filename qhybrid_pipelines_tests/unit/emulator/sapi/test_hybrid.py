"""What is not a model is refused before dimod's reader, which trusts its indices, and annealing, which trusts its numbers, meet it."""

from __future__ import annotations

import json
import struct

import dimod
import numpy as np
import pytest

from qhybrid_pipelines.emulator.sapi.hybrid import answer_body, read_hybrid_problem, read_model
from qhybrid_pipelines.emulator.sapi.problems import SapiError

HEADER = {
    "dtype": "float64",
    "itype": "int32",
    "ntype": "int32",
    "shape": [2, 1],
    "type": "BinaryQuadraticModel",
    "variables": False,
    "vartype": "SPIN",
}
LINEAR = [("start", "<i4"), ("bias", "<f8")]
QUADRATIC = [("other", "<i4"), ("bias", "<f8")]


def model_file(*, starts=(0, 1), others=(1, 0), **changes) -> bytes:
    """A file of two variables and their coupling, as dimod writes it."""
    header = json.dumps(HEADER | changes).encode() + b"\n"
    header += b" " * (-(len(header) + 14) % 64)
    linear = np.array(list(zip(starts, (1.0, -1.0), strict=True)), dtype=LINEAR)
    quadratic = np.array([(other, 0.5) for other in others], dtype=QUADRATIC)
    numbers = struct.pack("<d", 0.25) + linear.tobytes() + quadratic.tobytes()
    return b"DIMODBQM\x02\x00" + struct.pack("<I", len(header)) + header + numbers


def ising(fields, couplings=None) -> bytes:
    with dimod.BinaryQuadraticModel.from_ising(fields, couplings or {}).to_file(version=2) as file:
        return file.read()


def test_a_file_as_dimod_writes_it_is_read():
    model = read_model(model_file())
    assert model == dimod.BinaryQuadraticModel({0: 1.0, 1: -1.0}, {(0, 1): 0.5}, 0.25, "SPIN")


@pytest.mark.parametrize(
    "content",
    [
        model_file(others=(2**30, 0)),
        model_file(others=(-1, -5)),
        model_file(starts=(0, -3)),
        model_file(starts=(-8, 1)),
        model_file(starts=(2, 1)),
        model_file(dtype="float32"),
        model_file(dtype="object"),
        model_file(itype="float32"),
        model_file(shape=[2, -1]),
        model_file(shape=[10**30, 1]),
        model_file(shape=None),
        model_file()[:-1],
        model_file()[:14],
        b"",
    ],
)
def test_indices_beyond_the_model_and_files_of_another_form_are_refused(content):
    with pytest.raises(SapiError, match="not a binary quadratic model"):
        read_model(content)


@pytest.mark.parametrize("fields", [{}, {0: np.nan}, {0: np.inf}, {0: 1e308, 1: 1e308}, {0: 1e301}])
def test_numbers_that_cannot_be_added_up_are_refused(fields):
    with pytest.raises(SapiError, match="too large to add up"):
        read_model(ising(fields))


# The vendor's sampler warns of a model that is all zero.
@pytest.mark.filterwarnings("ignore:All bqm biases are zero")
@pytest.mark.parametrize("fields", [{0: 0.0}, {0: 1e300}, {0: 4e299, 1: 4e299}, {0: 1e-250, 1: 1e-250}])
def test_numbers_at_the_ends_of_what_is_taken_are_answered_in_json(fields):
    json.dumps(answer_body(ising(fields), seconds=3.0, seed=7), allow_nan=False)


@pytest.mark.parametrize("limit", [10**400, -1, True, "3", [3]])
def test_an_odd_time_limit_is_refused_by_name(limit):
    data = {"format": "ref", "data": "upload"}
    name = "hybrid_binary_quadratic_model_version2"
    with pytest.raises(SapiError, match="Parameter time_limit cannot be"):
        read_hybrid_problem({"solver": name, "type": "bqm", "data": data, "params": {"time_limit": limit}})
