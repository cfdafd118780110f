"""What a home says about itself outside its database: the number of its format, its id, and how often it was opened to send.

The ledger says the last two as well. A copy keeps the note together with the ledger, so what differs tells: a ledger that
was put back is behind the note, and another home's ledger has another id.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from qhybrid_pipelines.core.canonical import canonical_json
from qhybrid_pipelines.core.errors import CorruptFile, InvalidInput
from qhybrid_pipelines.core.system.files import write_bytes
from qhybrid_pipelines.storage.layout import Home

#: The form in which this release keeps a home. Format 1 had no note. A change of a stored form that an older release would
#: misread adds one here, brings its migration, and a home of the form before joins those that the tests open.
FORMAT = 2

#: The oldest format whose releases may go on collecting beside this one, on the same ledger: they read and write its tables as they
#: know them. It stays where it is as long as a new format only adds, with values for those who do not know of it.
COLLECTS_FROM = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeNote:
    """The note.

    Attributes:
        home_id: of the home, the same as in its ledger.
        openings: how often a program had opened the home to send something, when the note was written.
        format: number of the home's format.
        collects_from: the oldest format whose releases may collect in this home.
    """

    home_id: str
    openings: int
    format: int = FORMAT
    collects_from: int = COLLECTS_FROM


def read_note(home: Home) -> HomeNote | None:
    """Return what a home says about itself, or None for a new one and for one of format 1.

    Raises:
        InvalidInput: a newer release has written the home, and says that this one may not even collect.
        CorruptFile: the note cannot be read.
    """
    try:
        values = json.loads(home.note.read_text())
        found = int(values["format"])
        collects_from = int(values.get("collects_from", found))
        if collects_from <= FORMAT:
            return HomeNote(
                home_id=str(values["home_id"]),
                openings=int(values["openings"]),
                format=found,
                collects_from=collects_from,
            )
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise CorruptFile(
            str(home.note),
            "the note that names this home cannot be read",
            remedy="Restore it from a backup. Without one, remove it: `qhybrid home show` says then what is to be decided.",
        ) from error
    raise InvalidInput(
        f"the home has format {found}, and this release knows formats up to {FORMAT}",
        remedy="Install the release that wrote it, or a newer one.",
        file=str(home.note),
    )


def write_note(home: Home, note: HomeNote) -> None:
    """Write the note durably, in place of the one before."""
    values = {
        "format": note.format,
        "collects_from": note.collects_from,
        "home_id": note.home_id,
        "openings": note.openings,
    }
    write_bytes(home.note, canonical_json(values).encode() + b"\n")
