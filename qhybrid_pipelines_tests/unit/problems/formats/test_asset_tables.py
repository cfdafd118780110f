"""Tables of assets: moments as pandas gives them, from returns, prices or themselves; wrong tables name their line."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.problems.formats import asset_tables
from qhybrid_pipelines.problems.registry import family_named

RNG = np.random.default_rng(3)
PRICES = pd.DataFrame(
    100 * np.exp(np.cumsum(0.02 * RNG.standard_normal((30, 4)), axis=0)),
    columns=["Acme", "Bolt, Inc.", "Coil", "Dyne"],
    index=pd.date_range("2024-01-05", periods=30, freq="W"),
)
RETURNS = PRICES.pct_change().dropna()


def same(found, returns=RETURNS) -> bool:
    names, assets = found
    return (
        names == tuple(PRICES.columns)
        and np.allclose(assets.means, returns.mean())
        and np.allclose(assets.covariance, returns.cov(), atol=1e-15)
        and np.array_equal(assets.covariance, assets.covariance.T)
    )


@pytest.mark.parametrize("label", [None, "date", "week", False], ids=["unnamed", "date", "week", "no periods"])
def test_returns_and_prices_give_the_moments_of_pandas(label):
    index = label is not False
    assert same(asset_tables.read_returns(RETURNS.to_csv(index=index, index_label=label or None), file="r.csv"))
    assert same(asset_tables.read_prices(PRICES.to_csv(index=index, index_label=label or None), file="p.csv"))


def test_moments_are_taken_as_they_stand():
    table = RETURNS.cov()
    table.insert(0, "mean", RETURNS.mean())
    names, assets = asset_tables.read_moments(table.to_csv(index_label="asset"), file="m.csv")
    assert names == tuple(PRICES.columns)
    assert np.array_equal(assets.covariance, RETURNS.cov().to_numpy())
    assert np.array_equal(assets.means, RETURNS.mean().to_numpy())


def test_the_answer_is_the_best_choice_of_all():
    family = family_named("portfolio")
    options = family.options(cardinality=2, risk_aversion=5.0)
    instance = family.parsers["prices_csv"](PRICES.to_csv(), options, "p.csv")
    assert instance.variables == tuple(PRICES.columns)
    losses = {
        (a, b): 5.0 * RETURNS[[a, b]].cov().to_numpy().sum() / 4 - RETURNS[[a, b]].mean().mean()
        for i, a in enumerate(PRICES)
        for b in list(PRICES)[i + 1 :]
    }
    answer = family.solve(instance, 1).assignment
    held = tuple(name for name, bit in zip(instance.variables, answer, strict=True) if bit)
    assert held == min(losses, key=losses.__getitem__)


WRONG = {
    "one period": (asset_tables.read_returns, "date,a,b\n1,0.1,0.2\n", 2, "1 periods"),
    "a gap": (asset_tables.read_returns, "date,a,b\n1,0.1,0.2\n2,,0.1\n", 3, "not a finite number"),
    "a short row": (asset_tables.read_returns, "date,a,b\n1,0.1,0.2\n2,0.1\n", 3, "2 fields"),
    "two assets of one name": (asset_tables.read_returns, "date,a,a\n1,0.1,0.2\n2,0.1,0.3\n", 1, "every asset once"),
    "no header": (asset_tables.read_returns, "0.1,0.2\n0.3,0.1\n0.2,0.2\n", 1, "header holds numbers"),
    "a price of zero": (asset_tables.read_prices, "date,a\n1,2\n2,0\n3,1\n", 3, "price of a is 0"),
    "another header": (asset_tables.read_moments, "name,mean,a\na,1,1\n", 1, "asset,mean"),
    "another order": (asset_tables.read_moments, "asset,mean,a,b\nb,1,1,0\na,1,0,1\n", 2, "named 'b'"),
    "an asymmetric matrix": (asset_tables.read_moments, "asset,mean,a,b\na,1,1,0.5\nb,1,0,1\n", 2, "differs between"),
    "an impossible matrix": (asset_tables.read_moments, "asset,mean,a,b\na,1,1,2\nb,1,2,1\n", None, "semidefinite"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_tables_name_line_and_reason(case):
    read, text, line, reason = WRONG[case]
    with pytest.raises(InvalidInput, match=reason) as caught:
        read(text, file="t.csv")
    assert caught.value.line == line
    assert caught.value.remedy
