"""What a wrong input is, what has to be said about it, and how cases of it are written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

KARATE = "problem: {family: maxcut, source: 'networkx:karate_club'}\n"
MEGABYTE = 1_000_000
TOUR = "TYPE : TSP\nDIMENSION : 3\nEDGE_WEIGHT_TYPE : EUC_2D\nNODE_COORD_SECTION\n1 0 0\n2 3 0\n3 0 4\nEOF\n"


@dataclass(frozen=True)
class WrongInput:
    """A submission that must be refused.

    Attributes:
        name: what is wrong.
        files: name -> content; the first is the one that is submitted.
        says: fragments of the message.
        line: 1-based line that the error names, or None.
        field: dotted field that the error names, or None.
        about: name of the file that the error names; the submitted one when omitted.
    """

    name: str
    files: dict[str, str | bytes]
    says: tuple[str, ...]
    line: int | None = None
    field: str | None = None
    about: str | None = None

    @property
    def submitted(self) -> str:
        return next(iter(self.files))

    def drop(self, folder: Path) -> Path:
        """Write the files and return the path of the submitted one."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in self.files.items():
            (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return folder / self.submitted


def specification(
    case: str, text: str | bytes, *says: str, line: int | None = None, field: str | None = None
) -> WrongInput:
    return WrongInput(case, {"wrong.yaml": text}, says, line=line, field=field)


def named(text: str) -> str:
    return f"name: wrong\n{text}"


def problem_file(
    case: str,
    file: str,
    content: str | bytes,
    *says: str,
    problem: str = "",
    options: str = "",
    line: int | None = None,
    field: str | None = None,
    about: str | None = None,
) -> WrongInput:
    """A problem file, with a sidecar where family, format or options have to be declared."""
    files: dict[str, str | bytes] = {file: content}
    if problem or options:
        declared = ", ".join(part for part in (problem, f"options: {{{options}}}" if options else "") if part)
        files[f"{file}.yaml"] = f"problem: {{{declared}}}\n"
    return WrongInput(case, files, says, line=line, field=field, about=about)
