"""What every part of a specification is: strict and frozen; how one names a file, and checks of lists."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

Value = TypeVar("Value")

SHA256_PATTERN = r"^[0-9a-f]{64}$"


class StrictModel(BaseModel):
    """Unknown fields are refused, values are frozen, text is not silently turned into numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class FileSource(StrictModel):
    """A problem file that was registered: its content is stored under its hash, wherever the original went."""

    file: str = Field(description="The file's name when it was registered, without folders.")
    sha256: str = Field(pattern=SHA256_PATTERN, description="SHA-256 of the file's bytes.")


def kind_of_file(value: Any) -> str | None:
    """Return which of the two ways to name a file a value means to be, so that only that one complains about it."""
    return "FileSource" if isinstance(value, FileSource | dict) else "text" if isinstance(value, str) else None


#: A file by its path, or by the name it was registered under.
NamedFile = Annotated[
    Annotated[str, Tag("text")] | Annotated[FileSource, Tag("FileSource")],
    Discriminator(kind_of_file, custom_error_type="no_file", custom_error_message="this must be the path of a file"),
]


def list_as_tuple(value: Any) -> Any:
    """Return a list as the tuple that a frozen field holds, and anything else as it is; strict fields take no list."""
    return tuple(value) if isinstance(value, list) else value


def each_entry_once(value: Value) -> Value:
    """Return a tuple without repeats, or a word that stands for one. Raises `ValueError` for a tuple with repeats."""
    return _each_once(value, "entry")


def each_backend_once(value: Value) -> Value:
    """Return names of backends without repeats. Raises `ValueError` where there are some."""
    return _each_once(value, "backend")


def _each_once(value: Value, noun: str) -> Value:
    if isinstance(value, tuple) and len(set(value)) != len(value):
        raise ValueError(f"each {noun} may be named once")
    return value
