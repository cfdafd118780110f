"""A note about an account is found however the service's address is spelt, and never under another service's."""

from __future__ import annotations

from pathlib import Path

import pytest

from qhybrid_pipelines.core.canonical import canonical_json, sha256_hex
from qhybrid_pipelines.execution.ionq.account_registry import AccountRegistry

USUAL = "https://api.example.com/v0.4"
SAME = [
    "https://api.example.com/v0.4/",
    "https://API.Example.com/v0.4",
    "HTTPS://api.example.com/v0.4",
    "https://api.example.com:443/v0.4",
    "https://api.example.com./v0.4",
    "https://api.example.com//v0.4//",
    "https://api.example.com/./v0.4",
    "https://api.example.com/other/../v0.4",
    "https://api.example.com/v0%2E4",
    " https://api.example.com/v0.4 ",
]
OTHERS = [
    "http://api.example.com/v0.4",
    "https://api.example.com:8443/v0.4",
    "https://api.example.com/v0.3",
    "https://api.example.org/v0.4",
    "https://api.example.com/V0.4",
    "https://example.com/v0.4",
]


@pytest.mark.parametrize("spelt", SAME)
def test_one_service_has_one_set_of_notes(tmp_path: Path, spelt: str) -> None:
    notes = AccountRegistry(tmp_path)
    notes.record_project(USUAL, "token", "project-1")
    notes.record_accepted(spelt, "ionq:simulator", "job-1")
    assert notes.get_project(spelt, "token") == "project-1"
    assert notes.last_accepted(USUAL, "ionq:simulator") == "job-1"


@pytest.mark.parametrize("other", OTHERS)
def test_two_services_share_no_note(tmp_path: Path, other: str) -> None:
    notes = AccountRegistry(tmp_path)
    notes.record_project(USUAL, "token", "project-1")
    assert notes.get_project(other, "token") is None


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "[::1]", "[0:0:0:0:0:0:0:1]"])
def test_this_machine_has_one_name(tmp_path: Path, name: str) -> None:
    notes = AccountRegistry(tmp_path)
    notes.record_project(f"http://{name}:8123/v0.4", "token", "project-1")
    assert notes.get_project("http://LOCALHOST:8123/v0.4/", "token") == "project-1"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://bücher.example/v0.4", "https://xn--bcher-kva.example/v0.4"),
        ("https://bu\u0308cher.example/v0.4", "https://BÜCHER.example/v0.4"),
        ("http://[2001:DB8:0:0::1]:8080/v0.4", "http://[2001:db8::1]:8080/v0.4"),
    ],
    ids=["as it is sent", "composed and decomposed", "IPv6"],
)
def test_names_in_other_scripts_and_numbers_have_one_spelling(tmp_path: Path, one: str, other: str) -> None:
    notes = AccountRegistry(tmp_path)
    notes.record_project(one, "token", "project-1")
    assert notes.get_project(other, "token") == "project-1"


@pytest.mark.parametrize("spelt", [USUAL, f"{USUAL}/", "https://API.example.com/v0.4"])
def test_a_note_of_an_older_home_is_found_as_it_was_spelt(tmp_path: Path, spelt: str) -> None:
    file = tmp_path / f"{sha256_hex(f'{spelt}|project of token')[:32]}.json"
    file.write_text(canonical_json({"value": "project-1"}))
    assert AccountRegistry(tmp_path).get_project(spelt, "token") == "project-1"
