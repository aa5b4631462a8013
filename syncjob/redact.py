"""Card numbers, security codes and secrets are taken out of text before anything is written anywhere."""

from __future__ import annotations


class Secret:
    """A key or password that shows itself to nobody: it prints as ***, and only `reveal` gives it away."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The secret itself, for the one place that puts it on the wire."""
        return self._value

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__
