import pytest

from qhybrid_pipelines.core.specifications.observables import parse_observable


@pytest.mark.parametrize("text", ["Z0 X12", "X12 Z0", " Z0   X12 ", "X12Z0"])
def test_a_product_has_one_name_however_it_is_written(text):
    found = parse_observable(text)
    assert (found.name, found.qubits, found.basis) == ("Z0 X12", (0, 12), {0: "Z", 12: "X"})


@pytest.mark.parametrize("text", ["", "Z", "0", "I0", "z0", "Z0*Z1", "Z-1", "Z0 Z", "0.5 Z0", "Z1234"])
def test_what_is_no_product_is_refused(text):
    with pytest.raises(ValueError, match="is not a product of X, Y and Z"):
        parse_observable(text)


def test_a_qubit_may_be_named_once():
    with pytest.raises(ValueError, match="names a qubit twice"):
        parse_observable("Z0 X0")
