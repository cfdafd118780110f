"""What the HTTP service keeps goes into a backup and comes back; the secret of its keys does not leave the home."""

from __future__ import annotations

import os
from datetime import UTC, datetime

import pytest

from qhybrid_pipelines.service.access.api_keys import KeyFile
from qhybrid_pipelines.service.access.settings import read_settings
from qhybrid_pipelines.service.intake.request_store import RequestStore
from qhybrid_pipelines.service.intake.uploads import Uploads
from qhybrid_pipelines.service.problem_documents import ProblemError
from qhybrid_pipelines.service.webhooks.endpoint_store import EndpointStore
from qhybrid_pipelines.steps.on_demand.home_backups import back_up, restore
from qhybrid_pipelines.steps.workspace import Workspace
from qhybrid_pipelines.storage import decision_database
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines.storage.requesters import read_requester, write_requester
from qhybrid_pipelines_tests.unit.service.intake.test_request_store import request
from qhybrid_pipelines_tests.unit.service.webhooks.test_endpoint_store import add

KEY = "maxcut-small-0123456789abcdef"


def test_requests_senders_and_keys_come_back(tmp_path):
    home = Home(tmp_path / "home").make()
    store = RequestStore(home.requests)
    store.accept(request(1, content=b"3 3"), shared=True).result()
    write_requester(home, KEY, "ada")
    KeyFile(home).create("ada", ["read"], days=9, environment="dev", now=datetime.now(UTC))
    endpoints = EndpointStore(home.webhooks)
    endpoint = add(endpoints)
    # The service goes on while it is copied.
    control_plane = Workspace(home).control_plane
    control_plane.ledger.close()  # opening it has made it
    back_up(home, control_plane, tmp_path / "backup")
    store.accept(request(2), shared=True).result()
    store.close()
    add(endpoints)
    endpoints.close()
    restored = Home(tmp_path / "restored")
    restore(tmp_path / "backup", restored)
    again = RequestStore(restored.requests)
    assert [(one.id, one.content) for one in again.to_register(limit=9)] == [("r-1", b"3 3")]
    again.close()
    assert read_requester(restored, KEY) == "ada"
    assert KeyFile(restored).read() == KeyFile(home).read()
    assert not restored.service_pepper.exists()
    receivers = EndpointStore(restored.webhooks)
    assert receivers.all() == [endpoint]
    receivers.close()
    assert restored.webhooks.stat().st_mode & 0o777 == 0o600


def test_files_that_were_sent_ahead_come_back_to_their_sender_only(tmp_path):
    home = Home(tmp_path / "home").make()
    sent, _ = Uploads(home).add("ada", b"3 3")
    os.utime(next(home.uploads.rglob(sent.sha256)), (1_700_000_000, 1_700_000_000))
    home.service_settings.write_text("limits: [{principal: ada, requests: 7}]")
    control_plane = Workspace(home).control_plane
    control_plane.ledger.close()
    back_up(home, control_plane, tmp_path / "backup")
    Uploads(home).add("ada", b"4 4")
    restored = Home(tmp_path / "restored")
    restore(tmp_path / "backup", restored)
    uploads = Uploads(restored)
    [found] = uploads.of("ada")
    assert (found.sha256, found.sent_at.timestamp()) == (sent.sha256, 1_700_000_000)
    assert uploads.read("ada", sent.sha256) == b"3 3"
    with pytest.raises(ProblemError, match="no upload"):
        uploads.read("bob", sent.sha256)
    assert read_settings(restored).limit_of("ada", keys=True).requests == 7


def test_decisions_come_back_as_they_were_while_the_service_goes_on(tmp_path):
    home = Home(tmp_path / "home").make()
    connection = decision_database.connect(home.service_decisions)
    connection.execute("INSERT INTO gate VALUES ('ada', 'depot 7', '{}')")
    control_plane = Workspace(home).control_plane
    control_plane.ledger.close()
    back_up(home, control_plane, tmp_path / "backup")
    connection.execute("INSERT INTO gate VALUES ('bob', 'depot 8', '{}')")
    connection.close()
    restored = Home(tmp_path / "restored")
    restore(tmp_path / "backup", restored)
    again = decision_database.connect(restored.service_decisions)
    assert [tuple(row) for row in again.execute("SELECT principal, subject FROM gate")] == [("ada", "depot 7")]
    again.close()
