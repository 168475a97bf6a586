"""One named algorithm with its typed parameters."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeVar, get_args, runtime_checkable
from weakref import WeakKeyDictionary

from qoslab.core.context import Context
from qoslab.core.seeds import Seed

__all__ = ["Information", "MethodEntry", "Origin", "Trainable", "method", "method_name"]

Information = Literal["blind", "probing", "oracle"]
"""What a method may see: its own observations; also answers to its probes; also the true state."""

Origin = Literal["paper", "reference instance", "ours"]
"""Where a method's definition stands: in the publication it cites, in our derivation of one, or with us."""

_C = TypeVar("_C", bound=type)


@dataclass(frozen=True)
class MethodEntry:
    """A registered method.

    Attributes:
        domain: The domain's name.
        name: The method's name within its domain, as the literature names it.
        cls: The frozen dataclass of its parameters.
        summary: One line.
        citation: BibTeX of the publication, or empty for a folk method.
        information: What the method may see, where the domain draws that line; else None.
        extra: The optional dependency a run needs, such as `learn`; None for the core install.
        origin: Where its definition comes from.
        example: Parameters that make it small enough for contract tests, which run it some seventy times.
    """

    domain: str
    name: str
    cls: type
    summary: str
    citation: str
    information: Information | None
    extra: str | None
    origin: Origin
    example: Mapping[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """`DOMAIN/METHOD`."""
        return f"{self.domain}/{self.name}"


@runtime_checkable
class Trainable(Protocol):
    """A method whose `weights` parameter is `builtin`, a file, or `train`.

    With `train`, the study makes the training a trial of its own: it is run once for a scenario and a method,
    kept by its fingerprint, and its bytes reach every seed's run as the file `Context.weights`.
    """

    @property
    def weights(self) -> str:
        """`builtin`, `train`, or the path of a weights file."""
        ...

    def train(self, scenario: Any, seed: Seed, context: Context) -> bytes:
        """Train for a scenario and return the weights as the bytes of a safetensors file."""
        ...


def method(
    domain: str,
    name: str,
    *,
    summary: str,
    citation: str = "",
    information: Information | None = None,
    extra: str | None = None,
    origin: Origin = "paper",
    example: Mapping[str, Any] | None = None,
) -> Callable[[_C], _C]:
    """Register a frozen dataclass as the method `DOMAIN/NAME`.

    Args:
        domain: The domain's name.
        name: The method's name within its domain.
        summary: One line.
        citation: BibTeX of the publication.
        information: What the method may see.
        extra: The optional dependency that a run needs.
        origin: Where its definition comes from.
        example: Parameters for contract tests, where the default ones would take seconds on a small scenario.

    Returns:
        A class decorator that registers the class and returns it unchanged.

    Raises:
        ValueError: The name, `origin` or `information` is none that exists.
        TypeError: The class is not a frozen dataclass, or a parameter has a reserved name.
    """
    _check_words(domain, name, summary, origin, information)

    def register(cls: _C) -> _C:
        _check_class(cls, f"{domain}/{name}")
        entry = MethodEntry(domain, name, cls, summary, citation, information, extra, origin, example or {})
        from qoslab.core.registry import registry

        registry.add_method(entry)
        _NAMES[cls] = name
        return cls

    return register


_NAMES: WeakKeyDictionary[type, str] = WeakKeyDictionary()


def method_name(method: object) -> str:
    """The name by which a method is registered, of a user's file too, for messages; else its class's own."""
    return _NAMES.get(type(method), type(method).__name__)


RESERVED = frozenset({"id", "file", "label"})
"""Keys of a study's `[[method]]` table that are not parameters."""


def _check_words(domain: object, name: object, summary: object, origin: object, information: object) -> None:
    for what, word in (("domain", domain), ("name", name)):
        if not isinstance(word, str) or not word or "/" in word or word != word.strip():
            message = f"@method({domain!r}, {name!r}): {what} is {word!r}; it is a word without a slash"
            raise ValueError(message)
    if not isinstance(summary, str) or "\n" in summary:
        message = f"{domain}/{name}: summary is {summary!r}; it is one line of text"
        raise ValueError(message)
    if origin not in get_args(Origin):
        message = f"{domain}/{name}: origin is {origin!r}; it is one of {_listed(get_args(Origin))}"
        raise ValueError(message)
    if information is not None and information not in get_args(Information):
        known = _listed(get_args(Information))
        message = f"{domain}/{name}: information is {information!r}; it is None or one of {known}"
        raise ValueError(message)


def _listed(words: tuple[str, ...]) -> str:
    return ", ".join(repr(word) for word in words)


def _check_class(cls: type, ident: str) -> None:
    params = getattr(cls, "__dataclass_params__", None)
    if params is None or not params.frozen:
        name = getattr(cls, "__name__", repr(cls))
        message = (
            f"{ident}: {name} must be a frozen dataclass: write @dataclass(frozen=True) below @method(...)"
        )
        raise TypeError(message)
    taken = RESERVED.intersection(field.name for field in dataclasses.fields(cls))
    if taken:
        message = f"{ident}: parameter name {sorted(taken)[0]!r} is reserved in study files"
        raise TypeError(message)
