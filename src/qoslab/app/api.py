"""The same laboratory from Python: `Study(...).run()` in a script or notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:

    pass

__all__ = ["Result", "Study"]
