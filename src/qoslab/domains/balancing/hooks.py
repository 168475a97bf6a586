"""How a policy is written and put to work: its hooks, its memory, what it asks the servers."""

from __future__ import annotations

import dataclasses
import functools
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import FunctionType
from typing import Annotated, Any, ClassVar, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from qoslab.core.errors import BadInput, Problem
from qoslab.core.method import Information, Origin, method
from qoslab.core.seeds import Seed
from qoslab.domains.balancing.view import (
    ACTIVE,
    AREA,
    BUSY,
    CAPACITY,
    DONE,
    DRAIN,
    FLOW,
    LATENCY,
    LEFT,
    OPENED,
    QUEUE,
    RATE,
    SENT,
    SERVICE,
    SINCE,
    STAMP,
    TOUCHED,
    UP,
    USAGE,
    WEIGHT,
    Board,
    LocalView,
    OracleView,
    ProbeView,
)
from qoslab.engine.clone import family
from qoslab.engine.hooks import Hook
from qoslab.engine.kernel import kernel, mark_of
from qoslab.engine.mistakes import stands_for
from qoslab.engine.reference import BY_REFERENCE
from qoslab.engine.streams import Stream

__all__ = ["DECIDE", "Policy", "Probing", "Site", "Wiring", "adapted", "balancer", "policy"]

_C = TypeVar("_C", bound=type)
_F = TypeVar("_F", bound=Callable[..., Any])

ROUTE, COMPLETE, TICK, REPLY, LOSS = range(5)
"""What a policy is called for."""


def decide(
    board: Annotated[Board, BY_REFERENCE],  # noqa: ARG001
    balancer: int,  # noqa: ARG001
    stream: Stream,  # noqa: ARG001
    event: int,  # noqa: ARG001
    server: int,  # noqa: ARG001
    value: float,  # noqa: ARG001
    now: float,  # noqa: ARG001
) -> int:
    """What the simulator calls: all hooks of a policy in one."""
    return 0


DECIDE = Hook(
    decide,
    hint="what a blind, a probing and an oracle policy may see stands in qoslab.domains.balancing.view",
)


@dataclass(frozen=True)
class Probing:
    """What a policy asks the servers; every answer fills the `seen_` fields and calls `on_reply`.

    Attributes:
        per_request: Probes to different servers, drawn uniformly, at each routed request; a fraction is rounded at
            random so that the mean holds.
        every_s: Every server reports to every balancer each so many seconds; 0 for never.
        delay_s: Bounds of the uniformly drawn time a probe or report takes, besides the scenario's network.
        idle: Whether a server that becomes idle tells one balancer, drawn uniformly, and tells it again (with
            `seen_queue` above 0) when a request of another balancer ends its idleness.
        piggyback: Whether each response carries the server's answer; it is filled in before `on_complete`.
        latency: Whether servers estimate latency from their recent requests (`seen_latency`); costs time.
    """

    per_request: float = 0.0
    every_s: float = 0.0
    delay_s: tuple[float, float] = (0.0, 0.0)
    idle: bool = False
    piggyback: bool = False
    latency: bool = False


_TIMES = frozenset({"opened", "busy", "area", "touched"})
"""Fields of a view that cost time to keep."""


@dataclass(frozen=True)
class Site:
    """What an operator knows when a policy is set up.

    Attributes:
        servers: How many servers there are, n.
        balancers: How many balancers there are, m.
        weight: The configured weights, float64, shape (n,), positive.
        seed: The trial's seed; draw from `seed.generator("policy", ...)` for tables and phases.
        mean_size_s: Mean size of a request, in seconds of one core of speed 1.
        rate_per_s: Mean arrival rate over all balancers.
    """

    servers: int
    balancers: int
    weight: NDArray[np.float64]
    seed: Seed
    mean_size_s: float
    rate_per_s: float

    def generator(self, *names: str | int) -> np.random.Generator:
        """A generator for tables and starting phases, the policy's own."""
        return self.seed.generator("policy", *names)


@dataclass(frozen=True)
class Wiring:
    """A policy ready to run: hooks, and the first contents of its memory.

    Hooks are plain functions (marked `@kernel`) over the view of the policy's class of information:

    - `route(view, stream, now) -> int`: the server of a request;
    - `on_complete(view, stream, server, duration, now)`: a response; `duration` since the request was sent, s;
    - `on_tick(view, stream, now)`: each `tick_s`;
    - `on_reply(view, stream, server, now)`: an answer stands in the `seen_` fields (probing and oracle only);
    - `on_loss(view, stream, server, now)`: a request was rejected by the server or timed out.

    Hooks that only act may return anything or nothing.

    Attributes:
        route: See above.
        on_complete: See above.
        on_tick: See above.
        on_reply: See above.
        on_loss: See above.
        par: `view.par`.
        weight: First `view.weight`, shape (n,); None for the configured weights.
        mem: First `view.mem` of every balancer, shape (a, n), or (m, a, n) where they differ.
        box: First `view.box` of every balancer, shape (b,), or (m, b) where they differ.
        tick_s: Period of `on_tick`; 0 for never.
        stagger: Whether each balancer's ticks start at a time of its own, drawn uniformly in the first period.
        probing: What is asked of the servers.
        pause: Whether the simulator stops at each tick and waits for a decision from outside (learned policies).
    """

    route: Callable[..., Any]
    on_complete: Callable[..., Any] | None = None
    on_tick: Callable[..., Any] | None = None
    on_reply: Callable[..., Any] | None = None
    on_loss: Callable[..., Any] | None = None
    par: Sequence[float] = ()
    weight: NDArray[np.float64] | None = None
    mem: NDArray[np.float64] | None = None
    box: NDArray[np.float64] | Sequence[float] = ()
    tick_s: float = 0.0
    stagger: bool = False
    probing: Probing = field(default_factory=Probing)
    pause: bool = False

    @property
    def reads_times(self) -> bool:
        """Whether a hook, or a kernel that it calls, reads what a balancer measures of its requests in flight."""
        if self.pause:
            return True
        hooks = (self.route, self.on_complete, self.on_tick, self.on_reply, self.on_loss)
        members = (member for hook in hooks if hook is not None for member in family(_marked(hook)))
        return any(not _TIMES.isdisjoint(member.__code__.co_names) for member in members)

    @property
    def wants(self) -> int:
        """Bits of the events that the hooks listen to."""
        hooks = {COMPLETE: self.on_complete, TICK: self.on_tick, REPLY: self.on_reply, LOSS: self.on_loss}
        return sum(1 << event for event, hook in hooks.items() if hook is not None)


def _marked(hook: Callable[..., Any]) -> Callable[..., Any]:
    """A hook, marked as a kernel; what its author left unmarked divides as Python does."""
    return hook if mark_of(hook) else kernel(checked=True)(hook)


class Policy:
    """Base of every method of this domain; subclasses are frozen dataclasses decorated with `@balancer`."""

    information: ClassVar[Information] = "blind"

    def wire(self, site: Site) -> Wiring:
        """The policy's hooks and first memory for a site.

        Args:
            site: What the operator knows.
        """
        raise NotImplementedError


def balancer(
    name: str,
    *,
    summary: str,
    information: Information = "blind",
    citation: str = "",
    origin: Origin = "paper",
    extra: str | None = None,
) -> Callable[[_C], _C]:
    """Register a `Policy` as `balancing/NAME`; its class of information decides which view its hooks get.

    Args:
        name: The policy's name.
        summary: One line.
        information: `blind` gets `LocalView`, `probing` gets `ProbeView`, `oracle` gets `OracleView`.
        citation: BibTeX.
        origin: Where the definition comes from.
        extra: The optional dependency that a run needs.
    """
    register = method(
        "balancing",
        name,
        summary=summary,
        citation=citation,
        information=information,
        extra=extra,
        origin=origin,
    )

    def registered(cls: _C) -> _C:
        cls.information = information  # type: ignore[attr-defined]
        return register(cls)

    return registered


def policy(
    name: str,
    *,
    information: Information = "blind",
    parameters: Mapping[str, float] | None = None,
    summary: str = "",
    memory: int = 0,
    box: int = 0,
    tick_s: float = 0.0,
    probing: Probing | None = None,
    on_complete: Callable[..., Any] | None = None,
    on_tick: Callable[..., Any] | None = None,
    on_reply: Callable[..., Any] | None = None,
    on_loss: Callable[..., Any] | None = None,
) -> Callable[[_F], _F]:
    """Make one function a method of this domain: `@policy("mine")` above `def mine(view, stream, now)`.

    Args:
        name: The method's name, as a study's `id` gives it.
        information: Which view the function gets.
        parameters: Names and defaults; a study may set them, the function reads `view.par` in this order.
        summary: One line; the function's docstring where it is left out.
        memory: Rows of `view.mem`, zero at the start.
        box: Length of `view.box`, zero at the start.
        tick_s: Period of `on_tick`.
        probing: What is asked of the servers.
        on_complete: Further hooks, see `Wiring`.
        on_tick: ...
        on_reply: ...
        on_loss: ...

    Returns:
        A decorator that registers the function and returns it unchanged.
    """
    names = dict(parameters or {})

    def registered(route: _F) -> _F:
        def wire(self: Any, site: Site) -> Wiring:
            return Wiring(
                route,
                on_complete,
                on_tick,
                on_reply,
                on_loss,
                par=[float(getattr(self, each)) for each in names],
                mem=np.zeros((memory, site.servers)),
                box=np.zeros(box),
                tick_s=tick_s,
                probing=probing or Probing(),
            )

        _marked(route)
        words = (summary or route.__doc__ or f"the policy '{name}'").strip().splitlines()[0].rstrip(".")
        fields = [(each, float, dataclasses.field(default=value)) for each, value in names.items()]
        cls = dataclasses.make_dataclass(
            f"{route.__name__}_policy", fields, bases=(Policy,), namespace={"wire": wire}, frozen=True
        )
        cls.__doc__ = "\n".join(
            [f"{words}.", "", *(f"{each}: parameter {k} of `view.par`" for k, each in enumerate(names))]
        )
        _settle(cls, route)
        balancer(name, summary=words, information=information, origin="ours")(cls)
        return route

    return registered


def _settle(cls: type, route: Callable[..., Any]) -> None:
    """Let a worker process find the class where the function stands."""
    cls.__module__ = route.__module__
    setattr(sys.modules[route.__module__], cls.__name__, cls)


@kernel
def _nothing() -> int:
    """What stands where a policy has no hook; it is never called."""
    return 0


_ARITY = {"route": 3, "on_complete": 5, "on_tick": 3, "on_reply": 4, "on_loss": 4}


def adapted(wiring: Wiring, information: Literal["blind", "probing", "oracle"]) -> Callable[..., int]:
    """The policy as the simulator calls it: one function over the board that shows each hook its view alone.

    Raises:
        BadInput: A hook takes the wrong number of parameters, uses what kernels must not use, or a blind policy
            listens to answers of servers.
    """
    hooks = {name: getattr(wiring, name) for name in _ARITY}
    _check(hooks, information, wiring.probing)
    return _adapted(information, *hooks.values())


def _check(hooks: Mapping[str, Any], information: str, probing: Probing) -> None:
    problems = []
    asks = hooks["on_reply"] is not None or probing != Probing()
    if information == "blind" and asks:
        problems.append(
            Problem(message="a blind policy cannot hear from servers", hint='declare information = "probing"')
        )
    for name, hook in hooks.items():
        if hook is None:
            continue
        if not isinstance(hook, FunctionType):
            problems.append(Problem(message=f"{hook!r} is not a plain function", field=name))
        elif hook.__code__.co_argcount != _ARITY[name] or hook.__code__.co_flags & 0x0C:
            message = f"'{hook.__name__}' must take {_ARITY[name]} plain parameters"
            problems.append(
                Problem(message=message, field=name, hint=(Wiring.__doc__ or "").strip()[:0] or None)
            )
        else:
            _marked(hook)
    if problems:
        raise BadInput(problems)


@functools.cache
def _adapted(
    information: str,
    route: Callable[..., Any],
    complete: Callable[..., Any] | None,
    tick: Callable[..., Any] | None,
    reply: Callable[..., Any] | None,
    loss: Callable[..., Any] | None,
) -> Callable[..., int]:
    """One function that cuts the policy's view from the board and calls the hook of an event.

    The flags are constants to the compiler: it never sees the views of other classes nor hooks that are not there. The
    view is built where it is used: a kernel that returned one would be compiled with reference counts on its arrays.
    """
    probes, knows = information == "probing", information == "oracle"
    completes, ticks = complete is not None, tick is not None
    replies, loses = reply is not None, loss is not None
    on_complete: Callable[..., Any] = complete or _nothing
    on_tick: Callable[..., Any] = tick or _nothing
    on_reply: Callable[..., Any] = reply or _nothing
    on_loss: Callable[..., Any] = loss or _nothing

    @kernel
    def decide(
        board: Board, balancer: int, stream: Stream, event: int, server: int, value: float, now: float
    ) -> int:
        flow, par, mem, box = board.request[FLOW], board.par, board.mem[balancer], board.box[balancer]
        active, up = board.counts[balancer, ACTIVE], board.counts[balancer, UP]
        sent, done = board.counts[balancer, SENT], board.counts[balancer, DONE]
        weight, opened = board.local[balancer, WEIGHT], board.local[balancer, OPENED]
        busy, area = board.local[balancer, BUSY], board.local[balancer, AREA]
        touched = board.local[balancer, TOUCHED]
        if probes:
            view: Any = ProbeView(
                balancer,
                flow,
                active,
                up,
                sent,
                done,
                weight,
                opened,
                busy,
                area,
                touched,
                mem,
                box,
                par,
                board.answers[balancer, QUEUE],
                board.answers[balancer, LATENCY],
                board.answers[balancer, SERVICE],
                board.answers[balancer, USAGE],
                board.answers[balancer, RATE],
                board.answers[balancer, STAMP],
            )
        elif knows:
            view = OracleView(
                balancer,
                flow,
                active,
                up,
                sent,
                done,
                weight,
                opened,
                busy,
                area,
                touched,
                mem,
                box,
                par,
                board.queue,
                board.truth[CAPACITY],
                board.truth[LEFT],
                board.truth[SINCE],
                board.truth[DRAIN],
                board.size[0],
            )
        else:
            view = LocalView(
                balancer, flow, active, up, sent, done, weight, opened, busy, area, touched, mem, box, par
            )
        if event == ROUTE:
            return route(view, stream, now)  # type: ignore[no-any-return]
        if completes and event == COMPLETE:
            on_complete(view, stream, server, value, now)
        if ticks and event == TICK:
            on_tick(view, stream, now)
        if replies and event == REPLY:
            on_reply(view, stream, server, now)
        if loses and event == LOSS:
            on_loss(view, stream, server, now)
        return 0

    decide.__name__ = decide.__qualname__ = route.__name__
    stands_for(decide, route)
    return DECIDE.policy(decide)
