"""A table that a step takes goes by its one name, which is also the asset's and the warehouse's."""

import importlib
import inspect
import pkgutil

import pytest

from qhybrid_pipelines import steps
from qhybrid_pipelines.storage.schemas import BY_NAME

#: Takes `qpu_submissions` or `qml_submissions`.
EITHER = "qhybrid_pipelines.steps.operate.audits.within_budget"
#: Takes the decoded result of one job, which is not yet a table of the lake.
DECODED = "qhybrid_pipelines.steps.execute.qpu_result_sets.place_counts"
ROOMS = ("prepare", "execute", "interpret", "learning", "operate")
FUNCTIONS = {
    f"{module.name}.{name}": function
    for module in pkgutil.walk_packages(steps.__path__, f"{steps.__name__}.")
    if module.name.split(".")[2] in ROOMS
    for name, function in inspect.getmembers(importlib.import_module(module.name), inspect.isfunction)
    if function.__module__ == module.name and not name.startswith("_")
}
TABLES_TAKEN = {
    place: [name for name, p in inspect.signature(function).parameters.items() if p.annotation == "pa.Table"]
    for place, function in FUNCTIONS.items()
}


def test_enough_is_looked_at():
    assert sum(map(bool, TABLES_TAKEN.values())) > 15
    assert {name for names in TABLES_TAKEN.values() for name in names} >= {"qpu_result_sets", "reduced_models"}


@pytest.mark.parametrize("place", sorted(TABLES_TAKEN.keys() - {EITHER, DECODED}))
def test_parameters_are_called_like_their_tables(place):
    assert [name for name in TABLES_TAKEN[place] if name not in BY_NAME] == []
