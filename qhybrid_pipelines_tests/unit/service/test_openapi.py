"""The committed description of the service is that of the code, and says of every refusal what shape it has."""

from __future__ import annotations

import json

from qhybrid_pipelines.service import openapi
from qhybrid_pipelines.service.problem_documents import CODES, MEDIA_TYPE

DESCRIPTION = json.loads(openapi.FILE.read_text("utf-8"))


def test_the_committed_description_is_current():
    assert openapi.FILE.read_text("utf-8") == openapi.text(), "run: python -m qhybrid_pipelines.service.openapi"


def test_it_is_openapi_3_1_and_every_refusal_is_a_problem_document():
    assert DESCRIPTION["openapi"].startswith("3.1")
    for path, operations in DESCRIPTION["paths"].items():
        for method, operation in operations.items():
            refusals = {status: one for status, one in operation["responses"].items() if int(status) >= 400}
            assert {"400", "405", "500", "503"} <= refusals.keys(), (method, path)
            for one in refusals.values():
                assert list(one["content"]) == [MEDIA_TYPE], (method, path)


def test_every_code_is_explained_on_the_page():
    page = (openapi.FILE.parent / "service.md").read_text("utf-8")
    assert [code for code in CODES if f"`{code}`" not in page] == []


def test_every_reference_leads_somewhere():
    def references(value):
        if isinstance(value, dict):
            yield from ([value["$ref"]] if isinstance(value.get("$ref"), str) else [])
            for inner in value.values():
                yield from references(inner)
        if isinstance(value, list):
            for inner in value:
                yield from references(inner)

    for reference in set(references(DESCRIPTION)):
        found = DESCRIPTION
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]
        assert found, reference
