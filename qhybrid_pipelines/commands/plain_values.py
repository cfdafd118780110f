"""Values of the command line that are what they should be already: they need no Pydantic, whose import costs as much as a short command's work."""

from __future__ import annotations

from enum import Enum
from typing import Any

import typer
from typer.core import TyperArgument, TyperGroup, TyperOption

#: Types whose values come from a default, and were not typed, where they are of that type already.
NUMBERS = (int, float)
#: How Pydantic begins a sentence that somebody else has written.
SENTENCE_OF_PYDANTIC = "Value error, "


class PlainFirst:
    """What turns one parameter's value into its type, and asks typer only where there is something to turn."""

    def __init__(self, parameter: PlainOption | PlainArgument) -> None:
        self._parameter = parameter

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return the value in the type of its parameter, as typer does.

        Raises:
            typer.BadParameter: it is not a value of that type.
        """
        wanted = self._parameter.type_descriptor
        if value is None:
            return () if param.multiple or param.nargs == -1 else None
        is_text = wanted.annotation is str and isinstance(value, str) and wanted.parameter_info.parser is None
        if is_text or (wanted.annotation in NUMBERS and type(value) is wanted.annotation):
            return value
        if isinstance(wanted.annotation, type) and issubclass(wanted.annotation, Enum):
            for member in wanted.annotation:
                if value in (member, member.value):
                    return member
        try:
            return self._parameter.full_coercion().coerce(value, param=param, ctx=ctx)
        except typer.BadParameter as error:
            error.message = error.message.removeprefix(SENTENCE_OF_PYDANTIC)
            raise


class PlainOption(TyperOption):
    """An option that asks typer's models only for values that need them."""

    def get_runtime_param(self) -> Any:
        """Return what turns the option's value into its type."""
        return PlainFirst(self)

    def full_coercion(self) -> Any:
        """Return typer's own."""
        return super().get_runtime_param()


class PlainArgument(TyperArgument):
    """An argument that asks typer's models only for values that need them."""

    def get_runtime_param(self) -> Any:
        """Return what turns the argument's value into its type."""
        return PlainFirst(self)

    def full_coercion(self) -> Any:
        """Return typer's own."""
        return super().get_runtime_param()


PLAIN: dict[type, type] = {TyperOption: PlainOption, TyperArgument: PlainArgument}


def use_plain_values(command: Any) -> None:
    """Have all parameters of a command, and of the commands below it, look for plain values first."""
    for parameter in command.get_params(typer.Context(command)):
        if (plain := PLAIN.get(type(parameter))) is not None:
            parameter.__class__ = plain
    if isinstance(command, TyperGroup):
        for below in command.commands.values():
            use_plain_values(below)
