"""Times of log lines as seconds since 1970."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

__all__ = ["Clock"]

_MONTHS = {
    name: number
    for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), start=1
    )
}
_MOST = 4096


class Clock:
    """Reads `06/Feb/2009:12:14:14.655`, `06/Feb/2009:12:14:14 +0100` and ISO 8601, each second only once."""

    def __init__(self) -> None:
        self._known: dict[str, float] = {}

    def seconds(self, text: str) -> float:
        """Seconds since 1970; times without a zone count as UTC.

        Raises:
            ValueError: It is no time.
        """
        whole, dot, fraction = text.partition(".")
        known = self._known.get(whole)
        if known is None:
            if len(self._known) >= _MOST:
                self._known.clear()
            known = self._known[whole] = _parsed(whole)
        return known + int(fraction) / 10 ** len(fraction) if dot else known


def _parsed(text: str) -> float:
    if "/" not in text:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    stamp, _, zone = text.partition(" ")
    date, hour, minute, second = stamp.split(":")
    day, month, year = date.split("/")
    number = _MONTHS.get(month.lower())
    if number is None:
        message = f"no month {month!r}"
        raise ValueError(message)
    offset = timedelta()
    if zone:
        offset = timedelta(hours=int(zone[:3]), minutes=int(zone[0] + zone[3:5]))
    moment = datetime(
        int(year), number, int(day), int(hour), int(minute), min(int(second), 59), tzinfo=timezone(offset)
    )
    return moment.timestamp() + max(0, int(second) - 59)
