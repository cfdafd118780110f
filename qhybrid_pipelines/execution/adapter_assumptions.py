"""What an adapter takes for granted of its provider, compared with what the live service answers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One thing that the adapter was written for.

    Attributes:
        name: what it is about, for example ``estimate: form``.
        expected: what the adapter was written for.
        found: what the service answered; never a key, an account or a person.
        agrees: whether the adapter can rely on it; None where it could not be found out.
    """

    name: str
    expected: str
    found: str
    agrees: bool | None


def compare(name: str, expected: object, found: object) -> Fact:
    """Return a fact that agrees if what was found is what was expected."""
    return Fact(name=name, expected=str(expected), found=shortened(found), agrees=expected == found)


def require(name: str, expected: str, found: object, *, agrees: bool) -> Fact:
    """Return a fact with a sentence for what is expected."""
    return Fact(name=name, expected=expected, found=shortened(found), agrees=agrees)


def unknown(name: str, expected: str, why: object) -> Fact:
    """Return a fact that could not be found out."""
    return Fact(name=name, expected=expected, found=shortened(why), agrees=None)


def shortened(found: object) -> str:
    """Return what was found in one line of a table."""
    text = " ".join(str(found).split())
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


_LONGEST = 160
