"""Keys of providers: read again for every call, so that a rotated key works without a restart, and never shown.

A key is in an environment variable, or in a file that a variable names (as mounted secrets do). Nothing keeps one
longer than a call; a `Secret` shows its value only to who asks for it by name.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.text.redaction import HIDDEN, register_secret


class Secret:
    """A value that is not printed, logged, compared or pickled by accident."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value
        register_secret(value)

    def reveal(self) -> str:
        """Return the value, to be sent and forgotten."""
        return self._value

    def equals(self, other: Secret) -> bool:
        """Tell whether both hold the same value."""
        return self._value == other._value

    def __repr__(self) -> str:
        return f"Secret({HIDDEN})"

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError("a secret is not written anywhere")


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialSource:
    """Where a key is looked up.

    Attributes:
        variable: environment variable that holds the key.
        file_variable: environment variable that names a file with the key; the file wins where both are set.
    """

    variable: str
    file_variable: str

    @property
    def remedy(self) -> str:
        """What a person does about a key that is missing or wrong."""
        return f"Set {self.variable}, or let {self.file_variable} name a file that holds the key."

    def is_configured(self) -> bool:
        """Tell whether there is anything to read."""
        return bool(os.environ.get(self.variable) or os.environ.get(self.file_variable))

    def read(self) -> Secret:
        """Return the key as it is now.

        Raises:
            InvalidInput: there is none, its file cannot be read, or it is not one line of printable ASCII.
        """
        place = self.variable
        if named := os.environ.get(self.file_variable):
            place = self.file_variable
            try:
                value = Path(named).read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                reason = error.strerror if isinstance(error, OSError) else "it is not text"
                raise InvalidInput(
                    f"the file that {place} names cannot be read: {reason}", remedy=self.remedy
                ) from None
        else:
            value = os.environ.get(self.variable, "")
        value = value.strip()
        if not value:
            raise InvalidInput(f"there is no key: {place} is empty or not set", remedy=self.remedy)
        # Anything else could smuggle a second header into the request.
        if not (value.isascii() and value.isprintable()) or " " in value:
            raise InvalidInput(f"the key in {place} is not one word of printable characters", remedy=self.remedy)
        return Secret(value)
