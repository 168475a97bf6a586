"""A policy of one Python function: a method is made of it and registered."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from types import FunctionType
from typing import Any, ClassVar, get_type_hints

from qoslab.core.method import method
from qoslab.domains.entanglement.protocol import Plan

__all__ = ["decider", "planner"]


def planner(name: str, *, summary: str) -> Callable[[FunctionType], type]:
    """Register a function that plans paths before the run as the method `entanglement/NAME`.

    The function is called as `function(view, rng, context)` and returns a `Plan`; see `protocol.Routing`. What it
    takes by name alone, each with a type and a default, are the method's parameters.

    Args:
        name: The method's name in studies.
        summary: One line on what it does.

    Returns:
        A decorator; the function's name then is the method's class, a frozen dataclass of the parameters.

    Raises:
        TypeError: The function does not take three arguments by position, or a parameter lacks its type or default.
    """
    return lambda function: _method_of(function, name, summary, "plan")


def decider(name: str, *, summary: str, knows_hops: int | None = None) -> Callable[[FunctionType], type]:
    """Register a function that decides during the run as the method `entanglement/NAME`.

    The function is called as `function(view, rng, context)` in every slot and returns the rounds, fusions and swaps to
    order; see `protocol.Deciding`. Parameters are those of `planner`.

    Args:
        name: The method's name in studies.
        summary: One line on what it does.
        knows_hops: How many links away the pairs are that a node must have heard of, where nodes decide for
            themselves; left out, the centre decides.

    Returns:
        A decorator, as that of `planner`.

    Raises:
        TypeError: As in `planner`.
    """
    return lambda function: _method_of(function, name, summary, "decide", knows_hops)


def _method_of(
    function: FunctionType, name: str, summary: str, hook: str, knows_hops: int | None = None
) -> type:
    fields = _parameters(function)
    names = [field[0] for field in fields]

    def ask(self: Any, view: Any, rng: Any, context: Any) -> Any:
        return function(view, rng, context, **{each: getattr(self, each) for each in names})

    # The function stands in the class, so that another function makes another class: results know a method by its code.
    namespace: dict[str, Any] = {"__doc__": function.__doc__, "_function": function, hook: ask}
    if hook == "decide":
        namespace["plan"] = lambda self, view, rng, context: Plan(())  # noqa: ARG005
    if knows_hops is not None:
        fields.append(("knows_hops", ClassVar[int], dataclasses.field(default=knows_hops)))
    cls = dataclasses.make_dataclass(function.__name__, fields, frozen=True, namespace=namespace)
    cls.__module__, cls.__qualname__ = function.__module__, function.__qualname__
    return method("entanglement", name, summary=summary, origin="ours")(cls)


def _parameters(function: FunctionType) -> list[tuple[str, Any, Any]]:
    """Name, type and default of what a function takes by name alone."""
    given = inspect.signature(function).parameters.values()
    by_place = [each for each in given if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]
    named = [each for each in given if each.kind == each.KEYWORD_ONLY]
    if len(by_place) != 3 or len(by_place) + len(named) != len(given):
        message = f"{function.__name__} takes (view, rng, context) and its parameters by name, after a *"
        raise TypeError(message)
    types = get_type_hints(function, include_extras=True)
    bare = [each.name for each in named if each.name not in types or each.default is each.empty]
    if bare:
        message = (
            f"{function.__name__}: parameter {bare[0]!r} needs a type and a default, such as `float = 0.1`"
        )
        raise TypeError(message)
    return [(each.name, types[each.name], dataclasses.field(default=each.default)) for each in named]
