"""`make` hands a certificate and an index of one's own to both steps of an installation."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("given", "settings"),
    [
        ({}, None),
        ({"PIP_CERT": "/own.pem"}, 'SSL_CERT_FILE="${SSL_CERT_FILE:-$PIP_CERT}"'),
        ({"PIP_INDEX_URL": "https://own.example/simple"}, 'UV_DEFAULT_INDEX="${UV_DEFAULT_INDEX:-$PIP_INDEX_URL}"'),
    ],
)
def test_the_same_settings_hold_for_both_steps(given, settings):
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "MAKE"))}
    command = ["make", "--dry-run", "--always-make", "VENV=none", "none/.installed"]
    told = subprocess.run(
        command, cwd=ROOT, env=environment | given, capture_output=True, text=True, check=True, timeout=60
    ).stdout
    [line] = [line for line in told.splitlines() if "uv pip install" in line]
    assert (settings in line) if settings else line.strip().startswith("none/bin/uv")
