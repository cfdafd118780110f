"""What all tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of public instances with best-known values, beside the checkout; not part of the project."""
    if not SHARED_DATA.is_dir():
        pytest.skip("SKIPPED LOUDLY: ../shared/data is not there, published optima are not checked")
    return SHARED_DATA


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep each file whose module fixture runs a pipeline on one worker, so that the fixture runs once."""
    for item in items:
        if {"acceptance", "pipeline"} & set(item.path.parts):
            item.add_marker(pytest.mark.xdist_group(item.path.name))
