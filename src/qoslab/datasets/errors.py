"""What can go wrong with data files beyond their absence."""

from __future__ import annotations

from qoslab.core.errors import QoslabError

__all__ = ["AlteredData", "FetchError"]


class AlteredData(QoslabError):
    """A file bears a known name but none of the known contents; it is never used."""

    exit_code = 2


class FetchError(QoslabError):
    """A download failed; the message says whether trying again can help."""
