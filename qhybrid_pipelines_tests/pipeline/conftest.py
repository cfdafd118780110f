"""A home with an inbox; whatever was dropped there is somewhere afterwards."""

from __future__ import annotations

import pytest

from qhybrid_pipelines_tests.support.inbox_files import Dropping


@pytest.fixture
def box(tmp_path):
    dropping = Dropping(tmp_path)
    yield dropping
    dropping.assert_nothing_lost()
