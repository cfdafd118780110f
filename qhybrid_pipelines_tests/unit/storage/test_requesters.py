"""Who sent an experiment: the first stays, and a note that cannot be read is nobody's."""

from __future__ import annotations

import pytest

from qhybrid_pipelines.core.errors import CorruptFile
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines.storage.requesters import read_requester, write_requester

KEY = "maxcut-small-0123456789abcdef"


def test_the_first_sender_stays(tmp_path):
    home = Home(tmp_path)
    assert read_requester(home, KEY) is None
    write_requester(home, KEY, "ada")
    write_requester(home, KEY, "bob")
    assert read_requester(home, KEY) == "ada"


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "3"])
def test_a_damaged_note_is_nobodys(tmp_path, text):
    home = Home(tmp_path)
    write_requester(home, KEY, "ada")
    (home.requesters / f"{KEY}.json").write_text(text)
    with pytest.raises(CorruptFile, match="who sent"):
        read_requester(home, KEY)
