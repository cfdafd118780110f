"""The ten commands of the page about Slurm, as a reader would type them, on a real cluster of two nodes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.lake import Lake
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines_tests.support import slurm_cluster
from qhybrid_pipelines_tests.support.browser import get_free_port, wait_until
from qhybrid_pipelines_tests.support.documented_commands import commands, with_databases_of, write
from qhybrid_pipelines_tests.support.engine_pages import checkout_terminal, database_server, staying_commands
from qhybrid_pipelines_tests.support.page_commands import Terminal
from qhybrid_pipelines_tests.support.slurm_cluster import SlurmCluster, slurm_cluster_in

REASON = slurm_cluster.reason_against()
pytestmark = [pytest.mark.slurm, pytest.mark.skipif(REASON is not None, reason=str(REASON))]


@pytest.fixture
def cluster() -> Iterator[SlurmCluster]:
    with slurm_cluster_in() as opened:
        yield opened


@pytest.fixture
def terminal(tmp_path, cluster) -> Iterator[Terminal]:
    """Give a terminal in a checkout on a machine that has Slurm's commands."""
    with checkout_terminal(tmp_path, **cluster.environment, EDITOR="true") as opened:
        yield opened


def test_from_nothing_in_ten_commands(terminal, cluster):
    home = Home(terminal.folder / "data").make()
    write(terminal.folder, "experiment")
    *before, serve, drop = commands("slurm.md", "From nothing, in ten commands")
    with database_server(terminal) as url:
        try:
            with staying_commands(terminal) as start:
                for line in before:
                    terminal.run(with_databases_of(url, line))
                start(f"{serve} --port {get_free_port()}")
                terminal.run(drop)
                wait_until(lambda: Lake(home).keys(schemas.BASELINE_COMPARISONS), 600, "the verdict")
                assert len(cluster.jobs()) >= 2, "it was prepared and executed by jobs of Slurm"
                assert not home.ledger.exists()
        finally:
            cluster.stop()  # its jobs end before the server that they write to
