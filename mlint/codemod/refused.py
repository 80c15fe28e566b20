"""Why a rewrite was not made."""

from __future__ import annotations


class Refused(Exception):  # noqa: N818
    """The rewrite cannot be made without losing or changing something that nobody asked to change.

    Attributes:
        reason: what stands in the way, one line, for people.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
