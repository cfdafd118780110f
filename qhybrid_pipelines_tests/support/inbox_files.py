"""A home into whose inbox files are dropped, none of which may get lost."""

from __future__ import annotations

import json
import os
import time

from qhybrid_pipelines.control.inbox.scan import scan_inbox
from qhybrid_pipelines.steps.workspace import Workspace
from qhybrid_pipelines.storage.layout import Home


class Dropping:
    """A home, and what was dropped into its inbox."""

    def __init__(self, folder):
        self.home = Home(folder / "home").make()
        self.workspace = Workspace(self.home)
        self.dropped: list[bytes] = []

    def drop(self, name, content, *, age=60.0):
        data = content if isinstance(content, bytes) else content.encode()
        path = self.home.inbox / name
        path.write_bytes(data)
        then = time.time() - age
        os.utime(path, (then, then))
        self.dropped.append(data)
        return path

    def scan_inbox(self):
        return scan_inbox(self.home.inbox, self.home.quarantine, self.workspace.registration)

    def left(self):
        return sorted(path.name for path in self.home.inbox.iterdir() if path.name != "accepted")

    def reasons(self):
        return {
            record["quarantined"]: record
            for path in self.home.quarantine.glob("*.error.json")
            if "quarantined" in (record := json.loads(path.read_text()))
        }

    def assert_nothing_lost(self):
        """Every dropped content lies in the inbox, among the accepted files, or in quarantine; as often as dropped."""
        folders = (self.home.inbox, self.home.quarantine)
        found = sorted(
            path.read_bytes()
            for folder in folders
            for path in folder.rglob("*")
            if path.is_file() and not path.is_symlink() and not is_reason(path)
        )
        assert found == sorted(self.dropped)


def is_reason(path):
    return path.name.endswith(".error.json") and b'"quarantined"' in path.read_bytes()
