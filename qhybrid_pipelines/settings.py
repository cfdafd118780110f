"""Where this installation keeps its state: one home folder, by argument or by environment."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from pathlib import Path

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.storage.layout import Home

HOME_VARIABLE = "QHYBRID_HOME"
DEFAULT_HOME = "data"
#: Address of the Postgres server that keeps Dagster's own state, instead of files in the home.
DAGSTER_POSTGRES_VARIABLE = "QHYBRID_DAGSTER_POSTGRES_URL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a code location has to know before it is built.

    Attributes:
        home: folder under which all state lives: lake, ledger, warehouse, Dagster, MLflow, inbox, quarantine.
    """

    home: Path

    @classmethod
    def from_environment(cls, home: str | Path | None = None) -> Settings:
        """Return the settings for ``home``, else for the variable QHYBRID_HOME, else for ``./data``."""
        return cls(home=Path(home or os.environ.get(HOME_VARIABLE) or DEFAULT_HOME).expanduser().resolve())


def prepare_home(home: str | None, *, reading: bool = False, make: bool = True) -> Path:
    """Return the home folder of the command line, with its folders made.

    Args:
        home: as it was typed.
        reading: nothing will be written; a home that is there and may only be read will do.
        make: False makes nothing where no ledger exists yet, so that a mistyped path leaves no folders behind.

    Raises:
        InvalidInput: it is a file, cannot be made or written to, or has a name that some library reads as something else.
    """
    if home is not None and not home.strip():
        raise InvalidInput(
            "the name of the home folder is empty",
            remedy="Name a folder, or leave the option out: then QHYBRID_HOME counts, and else ./data.",
            field="--home",
        )
    try:
        folder = Settings.from_environment(home).home
    except (RuntimeError, ValueError) as error:  # ``~`` without a home directory; a character that no name has
        raise InvalidInput(
            f"{home!r} is not a folder: {error}", remedy="Give an absolute path.", field="--home"
        ) from None
    except FileNotFoundError:  # a relative path, where the current folder was removed
        raise InvalidInput(
            "the current folder no longer exists",
            remedy="Change to one that is, or give `--home` and all files as absolute paths.",
            field="--home",
        ) from None
    typed = home or folder
    _check_characters(folder)
    is_new = not os.path.lexists(folder) or (folder.is_dir() and not Home(folder).ledger.is_file())
    if not make and is_new:
        return folder
    if reading and folder.is_dir() and not os.access(folder, os.W_OK, effective_ids=True):
        return folder
    try:
        Home(folder).make()
        if not os.access(folder, os.W_OK, effective_ids=True):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except (FileExistsError, NotADirectoryError):
        raise InvalidInput(
            f"{typed} is, or lies below, a file", remedy="Name a folder, or one that can be made.", field="--home"
        ) from None
    except (OSError, ValueError) as error:
        raise InvalidInput(
            f"{typed} cannot be used as the home folder: {getattr(error, 'strerror', None) or error}",
            remedy="Name a folder that you may write to.",
            field="--home",
        ) from None
    return folder


def _check_characters(folder: Path) -> None:
    """Refuse what ends the path in an address of a database: Dagster and MLflow would work in another folder."""
    text = str(folder)
    found = next((character for character in text if character in "?#%" or not character.isprintable()), None)
    if found is not None:
        raise InvalidInput(
            f"the home folder {text!r} has the character {found!r} in its path, which addresses of databases read as "
            "something else",
            remedy="Choose or rename a folder without ?, #, % and control characters.",
            field="--home",
        )
