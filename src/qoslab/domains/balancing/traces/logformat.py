"""Log formats as HAProxy and nginx write them, turned into one regular expression each.

A format is a string of literals and variables. The expression is put together from fixed pieces, each with
possessive quantifiers, so that matching never goes back: the time is linear in the line whatever the line holds.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from qoslab.core.errors import BadInput, Problem

__all__ = ["Dialect", "LineFormat", "compile_format", "tokens"]

Dialect = Literal["haproxy", "nginx"]
_LONGEST = 4096

_HAPROXY = re.compile(
    r"%(?:\{(?P<flags>[^{}]{0,64})\})?(?:\[(?P<sample>[^\[\]]{1,512})\](?![A-Za-z])|(?P<name>[A-Za-z]{1,4}))|(?P<percent>%%)"
)
_NGINX = re.compile(r"\$(?:\{(?P<braced>[a-z0-9_]{1,64})\}|(?P<name>[a-z0-9_]{1,64}))")

_NUMBER = r"[+-]?\d++(?:\.\d++)?+"
_INT = r"[+-]?\d++"
_DATE = r"\d{1,2}/[A-Za-z]{3}/\d{4}:\d{2}:\d{2}:\d{2}"
_CAPTURES = frozenset({"hr", "hs", "hrl", "hsl"})
_PATTERNS: dict[Dialect, dict[str, str]] = {
    "haproxy": {
        # An address may hold colons itself: the last one of a run stands before the port.
        **dict.fromkeys(
            ("ci", "fi", "bi", "si"),
            r"(?:unix|-|(?:[\da-fA-F.]{0,40}+:(?=[\da-fA-F.:]{0,64}?:)){0,8}+[\da-fA-F.]{0,40}+)",
        ),
        "t": _DATE + r"\.\d{3}", "tr": _DATE + r"\.\d{3}",
        "T": _DATE + r"(?: [+-]\d{4})?+", "Tl": _DATE + r"(?: [+-]\d{4})?+",
        "trg": _DATE + r"(?: [+-]\d{4})?+", "trl": _DATE + r"(?: [+-]\d{4})?+",
        "Ts": _INT, "ms": _INT, "ST": r"-1|\d{1,3}",
        **dict.fromkeys(("TR", "Tw", "Tc", "Tr", "Ta", "Tt", "Td", "Th", "Ti", "Tq", "Tu", "B", "U"), _INT),
        **dict.fromkeys(("ac", "fc", "bc", "sc", "rc", "sq", "bq", "cp", "fp", "bp", "sp", "rt", "pid"), _INT),
    },
    "nginx": {
        "time_local": _DATE + r" [+-]\d{4}",
        "time_iso8601": r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:Z|[+-]\d{2}:\d{2})",
        "msec": _NUMBER, "request_time": _NUMBER, "status": r"\d{1,3}",
        "body_bytes_sent": r"-|\d++", "bytes_sent": r"-|\d++", "request_length": r"-|\d++",
        **dict.fromkeys(
            ("upstream_response_time", "upstream_connect_time", "upstream_header_time", "upstream_queue_time"),
            rf"(?:-|{_NUMBER})(?:(?:, | : )(?:-|{_NUMBER}))*+",
        ),
        **dict.fromkeys(
            ("upstream_addr", "upstream_status"),
            r"[^\s,\"]++(?:(?:, | : )[^\s,\"]++)*+",
        ),
        "upstream_cache_status": r"[A-Z-]++",
    },
}  # fmt: skip


@dataclass(frozen=True)
class LineFormat:
    """A compiled format.

    Attributes:
        dialect: Whose variables it uses.
        text: The format as it was written.
        pattern: Finds the variables of a line; groups are named after them.
        names: The variables that can be read, in their order.
    """

    dialect: Dialect
    text: str
    pattern: re.Pattern[str]
    names: tuple[str, ...]

    def match(self, line: str) -> dict[str, str | None] | None:
        """The variables of a line; None where the line has another form."""
        found = self.pattern.match(line)
        return None if found is None else found.groupdict()

    def unread(self, line: str) -> str:
        """What stands in a line behind all that the format names."""
        found = self.pattern.match(line)
        return "" if found is None else line[found.end() :].strip()


def compile_format(text: str, dialect: Dialect) -> LineFormat:
    """Turn a format into a `LineFormat`; a syslog header before the line is accepted.

    Args:
        text: What stands behind `log-format` or `log_format NAME`; surrounding quotes are left out.
        dialect: Whose it is.

    Raises:
        BadInput: It has no variables, or two stand next to each other so that no line can be told apart.
    """
    text = _unquoted(text.strip())
    if len(text) > _LONGEST:
        message = f"a log format of {len(text)} characters is longer than {_LONGEST}"
        raise BadInput(message)
    parts = tokens(text, dialect)
    names: list[str] = []
    # Syslog and journal prefixes end in `name[pid]: `; priority <134> may stand before them.
    pieces = [r"(?:<\d{1,3}>)?+(?:[^\[\n]{0,200}?\[\d{1,10}\]: )?"]
    for place, (kind, value) in enumerate(parts):
        following = parts[place + 1] if place + 1 < len(parts) else None
        if kind == "literal":
            pieces.append(_literal(value, after_capture=place > 0 and _optional(parts[place - 1])))
            continue
        if following is not None and following[0] == "variable":
            message = f"{value!r} and {following[1]!r} stand next to each other: nothing tells where one ends"
            raise BadInput(Problem(message=message, field="log_format", hint="put a separator between them"))
        pieces.append(_variable(value, dialect, following[1] if following else "", names))
    if not names:
        hint = "variables are written " + (
            "%TR, %Tw, %s" if dialect == "haproxy" else "$request_time, $upstream_addr"
        )
        raise BadInput(Problem(message="the log format has no variables", field="log_format", hint=hint))
    return LineFormat(dialect, text, re.compile("".join(pieces)), tuple(names))


def tokens(text: str, dialect: Dialect) -> list[tuple[str, str]]:
    """The literals and variables of a format, in their order; literals are never empty or adjacent."""
    found: list[tuple[str, str]] = []
    end = 0
    for match in (_HAPROXY if dialect == "haproxy" else _NGINX).finditer(text):
        _add_literal(found, text[end : match.start()])
        end = match.end()
        if dialect == "nginx":
            found.append(("variable", match["braced"] or match["name"]))
        elif match["percent"]:
            _add_literal(found, "%")
        else:
            quoted = "+Q" in (match["flags"] or "")
            if quoted:
                _add_literal(found, '"')
            found.append(("variable", match["name"] or "sample"))
            if quoted:
                _add_literal(found, '"')
    _add_literal(found, text[end:])
    return found


def _add_literal(found: list[tuple[str, str]], text: str) -> None:
    if not text:
        return
    if found and found[-1][0] == "literal":
        text = found.pop()[1] + text
    found.append(("literal", text))


def _optional(token: tuple[str, str]) -> bool:
    return token[0] == "variable" and token[1] in _CAPTURES


def _literal(text: str, *, after_capture: bool) -> str:
    # An empty capture takes the blank behind it along.
    if after_capture and text.startswith(" "):
        text = text[1:]
    return "".join(r"\ ++" if part.isspace() else re.escape(part) for part in re.split(r"( +)", text) if part)


def _variable(name: str, dialect: Dialect, following: str, names: list[str]) -> str:
    if name in _CAPTURES:
        return r"(?:\{[^{}]*+\}(?: ++|$))?+"
    pattern = _PATTERNS[dialect].get(name) or _generic(following)
    if name == "sample" or name in names:
        return f"(?>{pattern})"
    names.append(name)
    return f"(?P<{name}>(?>{pattern}))"


def _generic(following: str) -> str:
    """Anything up to what follows: nothing can be told where that is a blank within a value."""
    if not following:
        return r"[^\n]*+"
    if following[0] == '"':
        return r'(?:[^"\\\n]|\\.)*+'
    return rf"[^{re.escape(following[0])}\n]*+"


def _unquoted(text: str) -> str:
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "'\"":
        return text[1:-1]
    return text


def joined(parts: Sequence[str]) -> str:
    """A format that a configuration file spreads over several quoted strings."""
    return "".join(_unquoted(part.strip()) for part in parts)
