"""Names that people give: the same letters are the same name, and what tells two names apart is kept."""

from __future__ import annotations

import unicodedata
from pathlib import Path, PurePath

from qhybrid_pipelines.core.errors import InvalidInput

#: Endings that say how a file is written. Whatever else is behind a dot belongs to the name: the benchmarks
#: `g05_60.0` and `g05_60.1` are two instances.
FORMAT_ENDINGS = frozenset(
    [
        ".atsp",
        ".bqm",
        ".clq",
        ".cnf",
        ".col",
        ".coo",
        ".cqm",
        ".csv",
        ".dat",
        ".dimacs",
        ".edgelist",
        ".edges",
        ".g6",
        ".gexf",
        ".gml",
        ".gph",
        ".graph",
        ".graphml",
        ".gset",
        ".json",
        ".jsp",
        ".lp",
        ".mc",
        ".metis",
        ".mps",
        ".mtx",
        ".npy",
        ".npz",
        ".parquet",
        ".qasm",
        ".qubo",
        ".rud",
        ".rudy",
        ".sparse",
        ".tsp",
        ".tsv",
        ".txt",
        ".vrp",
        ".wcnf",
        ".yaml",
        ".yml",
    ]
)

#: What a packed file's name ends in, behind the ending that says how it is written.
PACKED = ".gz"


def composed(text: str) -> str:
    """Return a text with every letter and its accents as one character where there is one (Unicode's form C).

    macOS and some editors write `é` as `e` and an accent; both look the same and are the same name.
    """
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def name_without_ending(file: str) -> str:
    """Return the name of an instance in a file of that name: without the ending that says how it is written."""
    path = PurePath(composed(file))
    if path.suffix.lower() == PACKED:
        path = path.with_suffix("")
    return path.stem if path.suffix.lower() in FORMAT_ENDINGS else path.name


def find_file(path: Path, *, field: str | None = None) -> Path:
    """Return the file of that name, also where the folder spells its accents in another way; ``path`` if there is none.

    Raises:
        InvalidInput: two files of the folder have this name in other spellings; at ``field``.
    """
    if path.name.isascii() or path.exists():
        return path
    try:
        found = [entry for entry in path.parent.iterdir() if composed(entry.name) == composed(path.name)]
    except OSError:
        return path
    if len(found) > 1:
        raise InvalidInput(
            f"the name {path.name!r} fits two files",
            remedy="Rename one: they differ in how accents are stored.",
            field=field,
        )
    return found[0] if found else path


def name_in_allowed_letters(text: str) -> str:
    """Return a text as the name of an experiment: other letters become hyphens, and what is too long is cut."""
    safe_text = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in text)
    return safe_text.strip("._-")[:64] or "problem"
