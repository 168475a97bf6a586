"""Citations of the methods that a study uses."""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["bibliography", "entries", "fields", "reference"]

_START = re.compile(r"@(\w+)\s*\{\s*([^,\s]+)\s*,")
_FIELD = re.compile(r"(\w+)\s*=\s*")
_ACCENTS = {
    '"': "\u0308",
    "'": "\u0301",
    "`": "\u0300",
    "^": "\u0302",
    "~": "\u0303",
    "c": "\u0327",
    "v": "\u030c",
}


def entries(bibtex: str) -> list[tuple[str, str]]:
    """The entries of a BibTeX text as pairs of key and text, with balanced braces."""
    found = []
    for start in _START.finditer(bibtex):
        depth = 0
        for end in range(start.start(), len(bibtex)):
            depth += {"{": 1, "}": -1}.get(bibtex[end], 0)
            if bibtex[end] == "}" and depth == 0:
                found.append((start.group(2), bibtex[start.start() : end + 1]))
                break
    return found


def bibliography(citations: Iterable[str]) -> str:
    """One BibTeX file of many citations: each key once, sorted by key.

    Args:
        citations: BibTeX texts, some empty, some the same.
    """
    known: dict[str, str] = {}
    for citation in citations:
        for key, text in entries(citation):
            known.setdefault(key, text.strip())
    return "\n\n".join(known[key] for key in sorted(known)) + ("\n" if known else "")


def fields(entry: str) -> dict[str, str]:
    """The fields of one BibTeX entry by lower-case name, without braces or quotes."""
    body = entry[entry.index(",") + 1 : entry.rindex("}")]
    found: dict[str, str] = {}
    at = 0
    while match := _FIELD.search(body, at):
        value, at = _value(body, match.end())
        found[match.group(1).lower()] = " ".join(value.split())
    return found


def _value(body: str, at: int) -> tuple[str, int]:
    """The value that starts here, and where it ends: in braces, in quotes, or bare."""
    if at < len(body) and body[at] in '{"':
        closing, depth = {"{": "}", '"': '"'}[body[at]], 0
        for end in range(at + 1, len(body)):
            if body[end] == closing and depth == 0:
                return body[at + 1 : end], end + 1
            depth += {"{": 1, "}": -1}.get(body[end], 0)
    end = body.find(",", at)
    end = len(body) if end < 0 else end
    return body[at:end], end


def _plain(text: str) -> str:
    import unicodedata

    def accent(match: re.Match[str]) -> str:
        return unicodedata.normalize("NFC", match.group(2) + _ACCENTS[match.group(1)])

    text = re.sub(r"\\([\"'`^~])\s*\{?(\w)\}?", accent, text)
    text = re.sub(r"\\([cv])\s*\{(\w)\}", accent, text)
    return re.sub(r"[{}]", "", text).replace("--", "–").replace(r"\&", "&").replace("~", " ")


def reference(bibtex: str) -> str:
    """The first entry as a line of text: authors, title, where, year; empty where there is none."""
    known = entries(bibtex)
    if not known:
        return ""
    found = {name: _plain(value) for name, value in fields(known[0][1]).items()}
    people = [_turned(name) for name in found.get("author", "").split(" and ") if name]
    authors = ", ".join(people[:3]) + (" et al." if len(people) > 3 else "")
    venue = (
        found.get("journal")
        or found.get("booktitle")
        or found.get("publisher")
        or found.get("institution", "")
    )
    parts = [authors, found.get("title", ""), venue, found.get("year", "")]
    return ". ".join(part.rstrip(".") for part in parts if part) + "."


def _turned(name: str) -> str:
    """`Last, First` the other way round."""
    last, comma, first = name.partition(",")
    return f"{first.strip()} {last.strip()}" if comma else name.strip()
