"""Whether a proxy's log keeps up with the proxy's own counters."""

from __future__ import annotations

__all__ = ["Completeness"]

_ENOUGH, _ENOUGH_S, _FEWEST = 20.0, 5.0, 3.0
_SLACK, _STRAGGLER = 6.0, 1.0
_WHOLE = 0.75


class Completeness:
    """Holds answers that the proxy counted against those that its log told of, over many observations.

    At 10 requests a second an observation each half second sees five answers, from which nothing can be told. So they
    are added up, until 20 have passed, or 3 in 5 s; then counting begins anew. Lines are missing where fewer than half
    of the answers came as lines: at the end of such a stretch, or already where the lack is beyond what lines that are
    still on their way explain. They are held to be missing until three quarters have come in a whole stretch: with half
    of all lines lost, a stretch of 20 that was good by chance (6 %) seldom ends a gap that another one has opened.

    Args:
        passed: Answers that the proxy has counted so far.
        answered: Answers that its log has told of so far.

    Attributes:
        missing: Whether lines are missing.
    """

    def __init__(self, passed: float, answered: float) -> None:
        self.missing = False
        self._passed, self._answered, self._since = passed, answered, float("nan")

    def begin_anew(self, passed: float, answered: float, now_s: float) -> None:
        """Count from here, as after the proxy's counters began at 0; a gap stays open."""
        self._passed, self._answered, self._since = passed, answered, now_s

    def look(self, passed: float, answered: float, now_s: float) -> bool:
        """Take both counters as they stand.

        Args:
            passed: Answers that the proxy has counted.
            answered: Answers that its log has told of.
            now_s: Now, s on a clock that does not go back.

        Returns:
            Whether nothing is known to be missing.
        """
        if not self._since <= now_s or passed < self._passed:
            self.begin_anew(passed, answered, now_s)
            return not self.missing
        counted, told = passed - self._passed, answered - self._answered
        ends = counted >= _ENOUGH or (counted >= _FEWEST and now_s - self._since >= _ENOUGH_S)
        if counted > 2.0 * told + (_STRAGGLER if ends else _SLACK):
            self.missing = True
        elif ends and told >= _WHOLE * counted - _STRAGGLER:
            self.missing = False
        if ends:
            self.begin_anew(passed, answered, now_s)
        return not self.missing
