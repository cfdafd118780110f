"""One quadratic form in the spellings of the programs that write it, each to the same values on every assignment."""

from __future__ import annotations

import io
import json
from collections.abc import Callable

import dimod
import numpy as np
import pytest
from dimod.serialization import coo
from scipy.io import mmwrite
from scipy.sparse import coo_array, csr_array, save_npz

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.specifications.experiment_specification import ProblemSpec
from qhybrid_pipelines.problems.registry import family_named
from qhybrid_pipelines.problems.sources import load_instance, register_source

SIZE = 6
ASSIGNMENTS = ((np.arange(1 << SIZE)[:, None] >> np.arange(SIZE)) & 1).astype(np.uint8)
RNG = np.random.default_rng(11)
#: An upper triangle of quarters, which are exact in every spelling.
UPPER = np.triu(RNG.integers(-20, 21, (SIZE, SIZE)) / 4)
#: The same function as a symmetric matrix.
SYMMETRIC = (UPPER + UPPER.T) / 2
BQM = dimod.BinaryQuadraticModel(
    {i: UPPER[i, i] for i in range(SIZE)},
    {(i, j): UPPER[i, j] for i in range(SIZE) for j in range(i + 1, SIZE)},
    0.0,
    dimod.BINARY,
)
SPINS = BQM.change_vartype(dimod.SPIN, inplace=False)


def expected() -> np.ndarray:
    return np.einsum("ai,ij,aj->a", ASSIGNMENTS.astype(float), UPPER, ASSIGNMENTS.astype(float))


def saved(write: Callable[[io.BytesIO], None]) -> bytes:
    stream = io.BytesIO()
    write(stream)
    return stream.getvalue()


def qbsolv(sign: float = 1.0) -> bytes:
    couplers = [(i, j) for i in range(SIZE) for j in range(i + 1, SIZE) if UPPER[i, j]]
    lines = ["c written by hand", f"p qubo 0 {SIZE} {SIZE} {len(couplers)}"]
    lines += [f"{i} {j} {sign * UPPER[i, j]}" for i, j in [*((k, k) for k in range(SIZE)), *couplers]]
    return "\n".join(lines).encode()


def lp(*, maximise: bool) -> bytes:
    """As docplex writes it: bounds of every binary variable, products doubled in brackets that are halved."""
    sign = -1 if maximise else 1
    linear = " ".join(f"{sign * UPPER[i, i]:+g} x{i}".replace("+", "+ ").replace("-", "- ") for i in range(SIZE))
    pairs = " ".join(
        f"{2 * sign * UPPER[i, j]:+g} x{i} * x{j}".replace("+", "+ ").replace("-", "- ")
        for i in range(SIZE)
        for j in range(i + 1, SIZE)
        if UPPER[i, j]
    )
    names = [f"x{i}" for i in range(SIZE)]
    return "\n".join(
        [
            "\\ENCODING=ISO-8859-1",
            "Maximize" if maximise else "Minimize",
            f" obj: {linear} + [ {pairs} ]/2",
            "Subject To",
            "Bounds",
            *(f" 0 <= {name} <= 1" for name in names[:3]),
            " x3 <= 1.0",
            " x4 >= 0",
            "Binaries",
            " ".join(names),
            "End",
        ]
    ).encode()


def ising(*, as_objects: bool) -> bytes:
    """Spin +1 is bit 0, so dimod's fields, where it is bit 1, change their sign."""
    fields = {str(v): -bias for v, bias in SPINS.linear.items()}
    couplings = [[str(u), str(v), bias] for (u, v), bias in SPINS.quadratic.items()]
    if as_objects:
        return json.dumps(
            {"h": fields, "J": {f"{u},{v}": bias for u, v, bias in couplings}, "offset": float(SPINS.offset)}
        ).encode()
    return json.dumps(
        {"h": [fields[str(i)] for i in range(SIZE)], "J": couplings, "offset": float(SPINS.offset)}
    ).encode()


SPELLINGS: dict[str, tuple[str, str | None, dict[str, object], bytes]] = {
    "qbsolv, a minimum": ("f.qubo", None, {"sense": "min"}, qbsolv()),
    "qbsolv, a maximum": ("f.qubo", None, {"sense": "max"}, qbsolv(-1.0)),
    "dimod JSON": ("f.json", "dimod_json", {}, json.dumps(BQM.to_serializable()).encode()),
    "dimod JSON of spins": ("f.json", "dimod_json", {}, json.dumps(SPINS.to_serializable()).encode()),
    "dimod COO": ("f.coo", None, {}, coo.dumps(BQM, vartype_header=True).encode()),
    "NumPy, upper triangle": ("f.npy", None, {}, saved(lambda stream: np.save(stream, UPPER))),
    "NumPy, symmetric": ("f.npy", None, {}, saved(lambda stream: np.save(stream, SYMMETRIC))),
    "NumPy archive": ("f.npz", None, {}, saved(lambda stream: np.savez_compressed(stream, Q=UPPER))),
    "SciPy, CSR": ("f.npz", None, {}, saved(lambda stream: save_npz(stream, csr_array(UPPER)))),
    "SciPy, COO, symmetric": ("f.npz", None, {}, saved(lambda stream: save_npz(stream, coo_array(SYMMETRIC)))),
    "Matrix Market, general": (
        "f.mtx",
        None,
        {},
        saved(lambda stream: mmwrite(stream, csr_array(UPPER), symmetry="general")),
    ),
    "Matrix Market, symmetric": (
        "f.mtx",
        None,
        {},
        saved(lambda stream: mmwrite(stream, csr_array(SYMMETRIC), symmetry="symmetric")),
    ),
    "table of numbers": (
        "f.csv",
        "matrix_csv",
        {},
        "\n".join(",".join(map(repr, row)) for row in UPPER.tolist()).encode(),
    ),
    "MQLib, a maximum": (
        "f.txt",
        "biqmac_sparse",
        {"sense": "max"},
        "\n".join(
            [
                f"{SIZE} {SIZE * (SIZE + 1) // 2}",
                *(f"{i + 1} {j + 1} {-SYMMETRIC[i, j]}" for i in range(SIZE) for j in range(i, SIZE)),
            ]
        ).encode(),
    ),
    "LP as docplex writes it": ("f.lp", None, {}, lp(maximise=False)),
    "LP, a maximum": ("f.lp", None, {}, lp(maximise=True)),
}


def load(folder, name, content, *, format_name=None, options=None):
    (folder / name).write_bytes(content)
    problem, data = register_source(
        ProblemSpec(family="qubo", source=name, format=format_name, options=options or {}), folder
    )
    return load_instance(problem, lambda _: data)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_is_the_same_function(tmp_path, spelling):
    name, format_name, options, content = SPELLINGS[spelling]
    instance = load(tmp_path, name, content, format_name=format_name, options=options)
    assert np.allclose(family_named("qubo").objective(instance, ASSIGNMENTS), expected(), atol=1e-12)


@pytest.mark.parametrize("as_objects", [True, False])
def test_ising_json_has_spin_up_for_bit_zero(tmp_path, as_objects):
    instance = load(tmp_path, "f.json", ising(as_objects=as_objects), format_name="ising_json")
    order = [instance.variables.index(str(i)) for i in range(SIZE)]
    values = family_named("qubo").objective(instance, ASSIGNMENTS[:, np.argsort(order)])
    energies = SPINS.energies((1 - 2 * ASSIGNMENTS.astype(np.int8), list(range(SIZE))))
    fields_up = dimod.BinaryQuadraticModel(
        {v: -bias for v, bias in SPINS.linear.items()}, dict(SPINS.quadratic), SPINS.offset, dimod.SPIN
    )
    assert np.allclose(values, fields_up.energies((1 - 2 * ASSIGNMENTS.astype(np.int8), list(range(SIZE)))))
    assert not np.allclose(values, energies)


def test_a_maximum_negates_what_is_known_of_it_too(tmp_path):
    content = SPELLINGS["qbsolv, a maximum"][3]
    instance = load(tmp_path, "f.qubo", content, options={"sense": "max", "best_known": 12.5})
    assert instance.best_known == -12.5


class Harmful:
    def __reduce__(self):
        return (print, ("a pickle was loaded",))


WRONG: dict[str, tuple[str, str | None, dict[str, object], bytes, int | None, str]] = {
    "no sense": ("f.qubo", None, {}, qbsolv(), None, "minimised or maximised"),
    "no header": ("f.qubo", None, {"sense": "min"}, b"0 0 1\n", 1, "p qubo"),
    "too few couplers": ("f.qubo", None, {"sense": "min"}, b"p qubo 0 2 1 2\n0 0 1\n0 1 2\n", 3, "couplers"),
    "an index from 1": ("f.qubo", None, {"sense": "min"}, b"p qubo 0 2 1 0\n2 2 1\n", 2, "outside"),
    "a pickle": (
        "f.npy",
        None,
        {},
        saved(lambda stream: np.save(stream, np.array([Harmful()], dtype=object), allow_pickle=True)),
        None,
        "format npy",
    ),
    "not square": ("f.npy", None, {}, saved(lambda stream: np.save(stream, np.ones((2, 3)))), None, "2x3"),
    "NaN": ("f.npy", None, {}, saved(lambda stream: np.save(stream, np.full((2, 2), np.nan))), None, "finite"),
    "two arrays": ("f.npz", None, {}, saved(lambda stream: np.savez(stream, a=UPPER, b=UPPER)), None, "2 arrays"),
    "not an archive": ("f.npz", None, {}, b"PK\x03\x04 no", None, "format npz"),
    "JSON of something else": ("f.json", "dimod_json", {}, b'{"a": 1}', None, "format dimod_json"),
    "broken JSON": ("f.json", "dimod_json", {}, b'{\n"a": }', 2, "not JSON"),
    "a pair twice": (
        "f.json",
        "ising_json",
        {},
        b'{"h": {}, "J": [["a", "b", 1], ["a", "b", 2]]}',
        None,
        "occurs twice",
    ),
    "a fixed variable": (
        "f.lp",
        None,
        {},
        b"Minimize\n obj: x + y\nBounds\n x = 1\nBinary\n x y\nEnd\n",
        4,
        "more than 0 <= x <= 1",
    ),
    "two objectives": ("f.lp", None, {}, b"Minimize\n x\nMaximize\n y\nBinary\n x y\nEnd\n", 3, "two objectives"),
    "doubling declared": (
        "f.npy",
        None,
        {"offdiag_doubled": True},
        saved(lambda s: np.save(s, UPPER)),
        None,
        "says itself",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_files_name_line_and_reason(tmp_path, capsys, case):
    name, format_name, options, content, line, reason = WRONG[case]
    with pytest.raises(InvalidInput, match=reason) as caught:
        load(tmp_path, name, content, format_name=format_name, options=options)
    assert caught.value.line == line
    assert caught.value.remedy
    assert "a pickle was loaded" not in capsys.readouterr().out
