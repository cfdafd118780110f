"""A named place kills its process, and only when it is asked to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from qhybrid_pipelines.core.system.failpoints import VARIABLE, failpoint

PROGRAM = "from qhybrid_pipelines.core.system.failpoints import failpoint; failpoint('here'); print('alive')"


@pytest.mark.parametrize(("name", "code"), [("here", -signal.SIGKILL), ("there", 0), ("", 0)])
def test_the_place_that_is_named_kills(name: str, code: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False, env=os.environ | {VARIABLE: name}
    )
    assert done.returncode == code
    assert done.stdout == ("" if code else "alive\n")


def test_without_the_variable_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    failpoint("here")
