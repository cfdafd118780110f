"""The scripted vendor and our provider that talks to it."""

from __future__ import annotations

import pytest

from qhybrid_pipelines.execution.providers.ionq import IonQProvider
from qhybrid_pipelines_tests.support.ionq_job_list import Cloud
from qhybrid_pipelines_tests.support.scripted_server import scripted_server


@pytest.fixture
def cloud(monkeypatch):
    cloud = Cloud()
    with scripted_server(cloud.answer) as server:
        monkeypatch.setenv("IONQ_API_URL", server.url)
        monkeypatch.setenv("IONQ_API_KEY", "some-key")
        cloud.server = server
        yield cloud


@pytest.fixture
def provider(tmp_path):
    return IonQProvider(tmp_path / "ionq")
