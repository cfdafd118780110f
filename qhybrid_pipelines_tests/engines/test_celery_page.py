"""The ten commands of the page about Celery, as a reader would type them, on a real broker and worker."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.lake import Lake
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines_tests.support import celery_workers
from qhybrid_pipelines_tests.support.browser import get_free_port, wait_until
from qhybrid_pipelines_tests.support.celery_workers import running_broker
from qhybrid_pipelines_tests.support.documented_commands import commands, with_databases_of, write
from qhybrid_pipelines_tests.support.engine_pages import checkout_terminal, database_server, staying_commands
from qhybrid_pipelines_tests.support.page_commands import Terminal

REASON = celery_workers.reason_against()
pytestmark = [pytest.mark.celery, pytest.mark.skipif(REASON is not None, reason=str(REASON))]


@pytest.fixture
def terminal(tmp_path) -> Iterator[Terminal]:
    """Give a terminal in a checkout."""
    with checkout_terminal(tmp_path) as opened:
        yield opened


def test_from_nothing_in_ten_commands(terminal, tmp_path):
    home = Home(terminal.folder / "data").make()
    write(terminal.folder, "experiment")
    *before, worker, serve, drop = commands("celery.md", "From nothing, in ten commands")
    with database_server(terminal) as url, staying_commands(terminal) as start, running_broker(tmp_path) as broker:
        for line in before:
            terminal.run(re.sub(r"redis://\S+/0", broker.url, with_databases_of(url, line)))
        output = start(worker)
        start(f"{serve} --port {get_free_port()}")
        terminal.run(drop)
        wait_until(lambda: Lake(home).keys(schemas.BASELINE_COMPARISONS), 600, "the verdict")
        told = output.read_text()
        assert 'Finished execution of run for "1_prepare"' in told, "it was prepared and executed by the worker"
        assert "2_execute" in told
        assert not home.ledger.exists()
