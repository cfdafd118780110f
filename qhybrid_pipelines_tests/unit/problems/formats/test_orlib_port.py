"""OR-Library portfolio files: what is read, and what is refused with its line."""

from __future__ import annotations

import gzip

import numpy as np
import pytest

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.problems.formats.orlib_port import read
from qhybrid_pipelines_tests.support.instance_files import FOLDER, named

PRICES = "qoblib/portfolio/po_a010_t10_orig__stock_prices.txt.gz"

LINES = ["3", "0.01 0.2", "-0.02 .5", "0 1e-1", "1 1 1.0", "1 2 0.5", "1 3 -0.25", "2 2 1", "2 3 0", "3 3 1.000000"]


def text(**changes):
    """The sample with some lines, counted from 1, replaced; None removes a line."""
    lines = dict(enumerate(LINES, start=1)) | {int(k[1:]): v for k, v in changes.items()}
    return "\n".join(line for line in lines.values() if line is not None) + "\n"


def test_moments_become_a_covariance():
    assets = read(text(), file="p.txt")
    np.testing.assert_array_equal(assets.means, [0.01, -0.02, 0.0])
    expected = [[0.04, 0.05, -0.005], [0.05, 0.25, 0.0], [-0.005, 0.0, 0.01]]
    np.testing.assert_allclose(assets.covariance, expected, rtol=1e-15)
    np.testing.assert_array_equal(assets.covariance, assets.covariance.T)


def test_either_triangle_and_comments_are_accepted():
    changed = read("# licence\n\n" + text(_6="2 1 0.5", _7="3 1 -0.25"), file="p.txt")
    np.testing.assert_array_equal(changed.covariance, read(text(), file="p.txt").covariance)


def test_a_whole_file():
    assets = read(named("factors31").text, file="factors31.txt")
    assert assets.covariance.shape == (31, 31)
    assert assets.means[0] == 0.005314
    assert np.linalg.eigvalsh(assets.covariance)[0] > 0


def test_prices_of_a_market_survive_the_format():
    """Ten days of ten shares: nine returns, so the matrix has no full rank, and rounding must not make it a wrong one."""
    lines = gzip.decompress((FOLDER / PRICES).read_bytes()).decode().splitlines()
    rows = [line.split() for line in lines if line and not line.startswith("#")]
    prices = np.array([float(price) for _, _, price in rows]).reshape(10, 10)
    returns = prices[1:] / prices[:-1] - 1
    covariance, deviations = np.cov(returns.T), returns.std(axis=0, ddof=1)
    moments = [f"{mean:.6f} {deviation:.6f}" for mean, deviation in zip(returns.mean(axis=0), deviations, strict=True)]
    correlations = covariance / np.outer(deviations, deviations)
    triangle = [f"{i + 1} {j + 1} {correlations[i, j]:.6f}" for i in range(10) for j in range(i, 10)]
    assets = read("\n".join(["10", *moments, *triangle]), file="prices.txt")
    np.testing.assert_allclose(assets.means, returns.mean(axis=0), atol=5e-7)
    np.testing.assert_allclose(assets.covariance, covariance, atol=1e-7)


@pytest.mark.parametrize(
    ("changes", "line", "problem"),
    [
        ({"_1": "3 4"}, 1, "header has 2 fields"),
        ({"_1": "three"}, 1, "not an integer"),
        ({"_1": "0"}, 1, "number of assets is 0"),
        ({"_1": "99"}, 10, "ends after 9 of 99 assets"),
        ({"_2": "0.01"}, 2, "instead of mean and deviation"),
        ({"_2": "0,01 0.2"}, 2, "decimal comma"),
        ({"_3": "nan 0.5"}, 3, "not a finite number"),
        ({"_3": "-0.02 -.5"}, 3, "standard deviation is -0.5"),
        ({"_6": "1 2 1.5"}, 6, "outside -1 to 1"),
        ({"_6": "1 2 inf"}, 6, "not a finite number"),
        ({"_6": "1 2"}, 6, "instead of `i j correlation`"),
        ({"_6": "0 2 0.5"}, 6, "index 0 is outside"),
        ({"_6": "1 4 0.5"}, 6, "index 4 is outside"),
        ({"_7": "2 1 0.5"}, 7, "is already in line 6"),
        ({"_8": "2 2 0.9"}, 8, "correlation 0.9 with itself"),
        ({"_7": None}, 10, "assets 1 and 3 is missing; 5 of 6"),
        ({"_10": None}, 9, "assets 3 and 3 is missing; 5 of 6"),
    ],
)
def test_wrong_lines_are_named(changes, line, problem):
    with pytest.raises(InvalidInput, match=problem) as error:
        read(text(**changes), file="p.txt")
    # A removed line moves the ones after it up.
    assert error.value.line == line - (1 if changes == {"_7": None} else 0)
    assert error.value.file == "p.txt"
    assert error.value.remedy


def test_correlations_of_no_random_variables_are_refused():
    with pytest.raises(InvalidInput, match="not positive semidefinite"):
        read(text(_6="1 2 0.9", _7="1 3 0.9", _9="2 3 -0.9"), file="p.txt")
    # Perfect correlation is singular and may be off by rounding: that is not a mistake.
    read(text(_6="1 2 1", _7="1 3 0.333333", _9="2 3 0.333334"), file="p.txt")
