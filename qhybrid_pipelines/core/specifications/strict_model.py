"""What every part of a specification is: strict and frozen; and how one names a file."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

SHA256_PATTERN = r"^[0-9a-f]{64}$"


class StrictModel(BaseModel):
    """Unknown fields are refused, values are frozen, text is not silently turned into numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class FileSource(StrictModel):
    """A problem file that was registered: its content is stored under its hash, wherever the original went."""

    file: str = Field(description="The file's name when it was registered, without folders.")
    sha256: str = Field(pattern=SHA256_PATTERN, description="SHA-256 of the file's bytes.")


def kind_of_file(value: Any) -> str | None:
    """Return which of the two ways to name a file a value means to be."""
    return "FileSource" if isinstance(value, FileSource | dict) else "text" if isinstance(value, str) else None
