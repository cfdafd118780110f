"""The rows of a learning experiment as a user writes them: the section ``dataset``.

It follows the conventions of `core.specifications.experiment_specification`.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import (
    Discriminator,
    Field,
    SerializerFunctionWrapHandler,
    Tag,
    field_validator,
    model_serializer,
    model_validator,
)
from pydantic_core import PydanticCustomError

from qhybrid_pipelines.core.specifications.experiment_specification import FileSource, StrictModel
from qhybrid_pipelines.core.specifications.strict_model import kind_of_file, list_as_tuple

#: Prefix of the data sets that come with scikit-learn.
BUNDLED = "sklearn:"


class DatasetSpec(StrictModel):
    """Where the rows come from, which column is the label, and which rows and columns are used."""

    source: Annotated[
        Annotated[str, Tag("text")] | Annotated[FileSource, Tag("FileSource")],
        Discriminator(
            kind_of_file,
            custom_error_type="no_source",
            custom_error_message="this must be sklearn:NAME or the path of a CSV or Parquet file",
        ),
    ] = Field(description="sklearn:NAME, or the path of a .csv or .parquet file (relative to this file).")
    target: str | None = Field(default=None, description="The column that holds the label; only for files.")
    features: tuple[str, ...] | None = Field(
        default=None, min_length=1, description="The feature columns; null takes all but the label."
    )
    exclude: tuple[str, ...] | None = Field(
        default=None, min_length=1, description="Columns that are not features, instead of listing all that are."
    )
    categorical: tuple[str, ...] | None = Field(
        default=None, min_length=1, description="Feature columns of names: each name becomes a column of 0 and 1."
    )
    group: str | None = Field(
        default=None,
        description="A column, for example patient, whose rows stay together: none is trained on and tested in one fold.",
    )
    time: str | None = Field(
        default=None,
        description="A column of dates or numbers: every fold is trained on earlier rows than it is tested on.",
    )
    header: bool = Field(
        default=True,
        description="false: a CSV file without names in its first line; its columns are column_1, column_2, …",
    )
    classes: tuple[int | str, ...] | None = Field(
        default=None, min_length=2, description="The labels that are kept, the first is class 0; null takes all."
    )

    _lists_are_tuples = field_validator("features", "classes", "exclude", "categorical", mode="before")(list_as_tuple)

    @field_validator("features", "classes", "exclude", "categorical")
    @classmethod
    def _entries_are_distinct(cls, value: tuple[int | str, ...] | None) -> tuple[int | str, ...] | None:
        if value is not None and len({str(entry) for entry in value}) != len(value):
            raise ValueError("each entry may be named once")
        return value

    @property
    def bundled(self) -> str | None:
        """Name of the bundled data set; None for a file."""
        named = isinstance(self.source, str) and self.source.startswith(BUNDLED)
        return str(self.source).removeprefix(BUNDLED) if named else None

    @model_validator(mode="after")
    def _files_name_their_label(self) -> DatasetSpec:
        if self.bundled is None and self.target is None:
            raise PydanticCustomError(
                "no_target", "a file needs the name of the column that holds the label", {"field": "target"}
            )
        if self.bundled is not None and self.target is not None:
            raise PydanticCustomError(
                "needless_target", "the bundled data sets know their label; remove target", {"field": "target"}
            )
        if self.features is not None and self.target in self.features:
            raise PydanticCustomError(
                "target_is_feature", "the label cannot be one of the features", {"field": "features"}
            )
        return self

    @model_validator(mode="after")
    def _columns_have_one_part(self) -> DatasetSpec:
        if self.exclude is not None and self.features is not None:
            raise PydanticCustomError(
                "features_and_exclude",
                "list the columns that are features or those that are not, not both",
                {"field": "exclude"},
            )
        apart = {"group": self.group, "time": self.time}
        if self.target is not None and self.target in {
            *(self.exclude or ()),
            *(self.categorical or ()),
            *apart.values(),
        }:
            field = (
                "group"
                if self.target == self.group
                else "time"
                if self.target == self.time
                else "exclude"
                if self.target in (self.exclude or ())
                else "categorical"
            )
            raise PydanticCustomError("target_has_a_part", "the label cannot be named here", {"field": field})
        clash = next((name for name in self.categorical or () if name in (self.exclude or ())), None)
        if clash is not None:
            raise PydanticCustomError(
                "excluded_category", "{name} is excluded and categorical", {"field": "categorical", "name": clash}
            )
        if self.group is not None and self.group in {*(self.features or ()), *(self.categorical or ())}:
            raise PydanticCustomError(
                "group_is_feature",
                "the column of the groups cannot be a feature: it would name the rows",
                {"field": "group"},
            )
        if self.time is not None and self.time in {*(self.features or ()), *(self.categorical or ())}:
            raise PydanticCustomError(
                "time_is_feature",
                "the column of the time cannot be a feature: tested rows lie outside of what was trained on",
                {"field": "time"},
            )
        if self.time is not None and self.group is not None:
            raise PydanticCustomError(
                "time_and_group",
                "folds follow the time or keep groups together, not both; remove one of the two",
                {"field": "time"},
            )
        if self.bundled is not None and (self.categorical or self.group or self.time or not self.header):
            named = {"categorical": self.categorical, "group": self.group, "time": self.time}
            field = next((name for name, value in named.items() if value), "header")
            raise PydanticCustomError("only_of_files", "only a file has this", {"field": field})
        return self

    @model_serializer(mode="wrap")
    def _without_later_fields(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what later releases added and nobody set: an experiment keeps its key."""
        written: dict[str, Any] = handler(self)
        return {
            name: value
            for name, value in written.items()
            if name not in {"exclude", "categorical", "group", "time", "header"}
            or value != DatasetSpec.model_fields[name].default
        }
