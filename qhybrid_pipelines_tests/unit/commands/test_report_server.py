"""``qhybrid report --serve``: the pages that links in Dagster's UI lead to, for this machine only."""

from __future__ import annotations

import threading
from http.client import HTTPConnection

import pytest

from qhybrid_pipelines.commands.report import PORT
from qhybrid_pipelines.commands.report_server import HOST, ReportServer
from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger
from qhybrid_pipelines.defs.metadata_report import ADDRESS_VARIABLE, DEFAULT_ADDRESS, page_address
from qhybrid_pipelines.steps.workspace import Workspace
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines.storage.specifications import Specifications
from qhybrid_pipelines_tests.support import sample_experiments

KEY = sample_experiments.FIRST.key


@pytest.fixture
def server(tmp_path):
    """A server over a home in which one experiment was registered."""
    place = Home(tmp_path / "home").make()
    Specifications(place).register(sample_experiments.FIRST.spec)
    SqlLedger.open_sqlite(place.ledger).close()
    with ReportServer(Workspace(place), 0) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def get(server, path, *, method="GET", host=None):
    connection = HTTPConnection(*server.server_address[:2], timeout=60)
    connection.request(method, path, headers={"Host": host} if host is not None else {})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer, text


def test_the_page_of_an_experiment_is_drawn_when_it_is_opened(server):
    answer, text = get(server, f"/{KEY}")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "Not decided" in text
    _, listed = get(server, "/")
    assert f'href="/{KEY}"' in listed


def test_the_links_in_the_ui_lead_to_where_it_listens_by_default(monkeypatch):
    assert f"{DEFAULT_ADDRESS}/{KEY}" == f"http://{HOST}:{PORT}/{KEY}" == page_address(KEY)
    monkeypatch.setenv(ADDRESS_VARIABLE, "https://reports.example/")
    assert page_address(KEY) == f"https://reports.example/{KEY}"


@pytest.mark.parametrize("path", ["/no-such-key", "/../../etc/passwd", "/%2e%2e/ledger.db", f"/{KEY}/more"])
def test_nothing_else_is_served(server, path):
    answer, text = get(server, path)
    assert answer.status == 404
    assert "root:" not in text


def test_only_reading_is_answered_and_only_under_this_machines_name(server):
    assert get(server, f"/{KEY}", method="POST")[0].status == 501
    assert get(server, f"/{KEY}", host="evil.example")[0].status == 421
    assert get(server, f"/{KEY}", host="")[0].status == 421
    assert get(server, f"/{KEY}", host=f"localhost:{server.server_address[1]}")[0].status == 200


def test_a_damaged_experiment_says_what_is_wrong(server):
    place = next(server._workspace.home.specifications.rglob(f"*{KEY}*"))
    place.write_text("{")
    answer, text = get(server, f"/{KEY}")
    assert answer.status == 409
    assert KEY in text
