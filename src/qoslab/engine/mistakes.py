"""What is wrong with a policy that the compiler refuses, in the words of somebody who wrote it, and where it stands.

The compiler tells a chain of texts, from the innermost mistake to the outermost call, with the types of everything.
Here the innermost is found, and told in one sentence.
"""

from __future__ import annotations

import dis
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["explained", "in_words", "stands_for", "text_behind"]

_TEXT = "__qoslab_text__"
_HERE = Path(__file__).parents[1]
_LONGEST = 160

_WORDS = (
    (r"int\d+|uint\d+|Literal\[int\].*", "an integer"),
    (r"float\d+", "a number that is no integer"),
    (r"bool(ean)?|Literal\[bool\].*", "a truth value"),
    (r"unicode_type|Literal\[str\].*", "text"),
    (r"none", "nothing"),
    (r"Optional.*", "nothing at times"),
    (r"array\(.*", "an array"),
    (r"(Uni)?Tuple.*|\(.*", "several values"),
)


def stands_for(adapted: Callable[..., Any], text: Callable[..., Any]) -> None:
    """Let mistakes be told of the text that a person wrote, not of what was put around it."""
    setattr(adapted, _TEXT, text_behind(text))


def text_behind(function: Callable[..., Any]) -> Any:
    """What a person wrote, of a policy that may have something around it."""
    return getattr(function, _TEXT, function)


def in_words(kind: str) -> str:
    """A type of the compiler in words."""
    return next((words for pattern, words in _WORDS if re.fullmatch(pattern, kind.strip())), kind.strip())


def explained(
    function: Callable[..., Any], error: Exception, needed: str
) -> tuple[str, Path | None, int | None]:
    """Why a policy does not compile.

    Args:
        function: The policy.
        error: What the compiler raised.
        needed: What it must return, in words.

    Returns:
        What follows "policy NAME"; file and line, where the compiler names one that is not this package's.
    """
    told = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
    path, line = _place(told)
    if found := re.search(r"Unknown attribute '(\w+)' of type ([\w.]+)", told):
        return f"does not compile: {found[2]} has no attribute '{found[1]}'", path, line
    if found := re.search(r"NameError: (?:global )?name '(\w+)' is not defined", told):
        return (
            f"does not compile: the name '{found[1]}' is not defined",
            path,
            line or _line_of(function, found[1]),
        )
    if found := re.search(r"Can't unify return type from the following types: (.*)", told):
        kinds = [in_words(each) for each in re.split(r", (?![^()]*\))", found[1])]
        return _returns(kinds, path, needed), path, line
    return f"does not compile: {_first_sentence(told)}", path, line


def _returns(kinds: list[str], path: Path | None, needed: str) -> str:
    """A policy that returns several kinds of values; without a place, one of them is what the hook returns itself."""
    several = list(dict.fromkeys(kinds))
    if path is None and len(several) > 1 and "an integer" in several:
        several.remove("an integer")
        return f"returns {several[0]}, where {needed} is needed"
    return f"returns now {', now '.join(several)}, where {needed} is needed"


def _place(told: str) -> tuple[Path | None, int | None]:
    """The innermost place in a file that is not this package's."""
    for name, line in re.findall(r'File "(.+?)", line (\d+)', told):
        path = Path(name).absolute().resolve()
        if not path.is_relative_to(_HERE):
            return path, int(line)
    return None, None


def _line_of(function: Callable[..., Any], name: str) -> int | None:
    """Where a function uses a name."""
    code = text_behind(function).__code__
    uses = (step.positions for step in dis.get_instructions(code) if step.argval == name)
    return next((place.lineno for place in uses if place is not None), None)


def _first_sentence(told: str) -> str:
    """The innermost reason, without the compiler's stages."""
    lines = (line.strip() for line in told.splitlines())
    reasons = [line for line in lines if line and not line.startswith(("Failed in nopython mode", "During:"))]
    reason = reasons[0] if reasons else "the compiler gives no reason"
    return reason if len(reason) <= _LONGEST else f"{reason[:_LONGEST]} ..."
