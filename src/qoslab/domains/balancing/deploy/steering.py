"""Steering one backend: the proxy's counters and log in, the controller's weights out, the original ones back."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Set

import numpy as np
from numpy.typing import NDArray

from qoslab.core.errors import BadInput, Problem
from qoslab.domains.balancing.deploy.aftermath import to_put_back
from qoslab.domains.balancing.deploy.completeness import Completeness
from qoslab.domains.balancing.deploy.controller import Controller, Limits
from qoslab.domains.balancing.deploy.keepsake import Keepsake
from qoslab.domains.balancing.deploy.ledger import Ledger
from qoslab.domains.balancing.deploy.runtime import ProxyGone, ProxyRefused, Runtime, Server
from qoslab.domains.balancing.deploy.scales import as_integers, carried_over, stepwise

__all__ = ["Steering"]

_FEW = 20


class Steering:
    """Steers the servers of one backend; whoever else sets a weight wins.

    Args:
        runtime: The proxy's runtime API.
        backend: The backend's name.
        keepsake: Where the original weights are kept.
        policy: The controller's policy.
        limits: What the controller may do at most.
        dry_run: Set nothing.
        tell: Called with each note.
        claim: Called with the proxy's process before anything is set in it; raises where somebody else steers it.

    Attributes:
        servers: What the proxy said last.
        ledger: Counters from its log.
        controller: What decides.
        original: Weights to put back, by server.
        notes: The last things that a person should know.
        writes: Batches of weights set.
        lost: Times that the proxy did not answer.
        hands_off: Servers whose weight somebody else set while ours were in force.
        refused: Whether the proxy has refused to set weights; nothing more is set then.
        agents: Whether agent-checks were found; nothing more is set then.
    """

    def __init__(
        self,
        runtime: Runtime,
        backend: str,
        keepsake: Keepsake,
        policy: str = "ours",
        limits: Limits | None = None,
        *,
        dry_run: bool = False,
        tell: Callable[[str], None] | None = None,
        claim: Callable[[str], None] | None = None,
    ) -> None:
        self._runtime, self._backend, self._keepsake = runtime, backend, keepsake
        self._policy, self._limits, self.dry_run, self._tell = policy, limits or Limits(), dry_run, tell
        self._claim = claim or (lambda _: None)
        self.original: dict[str, int] = {}
        self.notes: deque[str] = deque(maxlen=5)
        self.writes = self.lost = 0
        self.hands_off: set[str] = set()
        self._expected: dict[str, int] = {}
        self._earlier: dict[
            str, set[int]
        ] = {}  # where a lost answer leaves open whether the expected ones are set
        self._foreign: set[str] = set()  # not on our scale, and so not changed stepwise
        self._kept = self._steered = self.agents = self.refused = False
        self._reach()

    def _reach(self) -> None:
        left = self._keepsake.read()
        try:
            self._process, servers = self._runtime.servers(self._backend)
            self._claim(self._process)
            self._configured = self._runtime.configured(self._backend)
            if left is not None and self.dry_run:
                self.note("an earlier run left weights that a run without --dry-run would put back")
            elif left is not None:
                back = to_put_back(left, servers, self._process, self._configured, self.note)
                changed = self._put_back(back, servers)
                self._keepsake.forget()
                if changed:
                    self.note("put back the weights that an earlier run had left changed")
                self._process, servers = self._runtime.servers(self._backend)
        except ProxyGone as error:
            raise BadInput(Problem(message=f"the proxy does not answer: {error}", field="socket")) from None
        except ProxyRefused as error:
            raise BadInput(Problem(message=f"the proxy refuses: {error}", field="socket")) from None
        self.original = _weights(servers)
        self._expected = _weights(servers)
        self._begin(servers)

    def _ask(self) -> list[Server]:
        """The servers as they are; where another process answers, its configured weights are the original ones."""
        process, servers = self._runtime.servers(self._backend)
        if process != self._process:
            self._claim(process)
            configured = self._runtime.configured(self._backend)
            self.original = {s.name: self._original_of(s, configured) for s in servers}
            # A person's weight is gone with the process that it was set in, unless a state file carried it over.
            self.hands_off &= {s.name for s in servers if self._expected.get(s.name) == s.weight}
            self.hands_off -= {s.name for s in servers if s.weight == configured.get(s.name)}
            self._process, self._configured = process, configured
            self._expected, self._earlier = _weights(servers), {}
            if self._kept:
                self._keep()
            self.note("the proxy was started anew")
        return servers

    def _original_of(self, server: Server, configured: Mapping[str, int]) -> int:
        """The weight to put back in a process that was started anew."""
        told = configured.get(server.name, server.weight)
        if server.weight == told or told != self._configured.get(server.name):
            return told
        # A file of the servers' state may have carried the old weight over, or it was set while the proxy changed.
        return self.original.get(server.name, server.weight)

    def _keep(self, change: Mapping[str, int] | None = None) -> bool:
        """Write down what to put back, and what is in force before and after a change; whether that was done."""
        after = self._expected | dict(change or {})
        in_force = {
            k: [*self._earlier.get(k, ()), self._expected.get(k, w), w]
            for k, w in after.items()
            if k in self.original
        }
        weights = {} if self._all_are_theirs() else self.original
        try:
            self._keepsake.write(weights, self._process, in_force)
        except OSError as error:
            self.note(
                f"the record of the original weights cannot be written, nothing is set: {error.strerror}"
            )
            return False
        self._kept = True
        return True

    def _all_are_theirs(self) -> bool:
        """Whether a person has set the weight of every server that is to have one; none of them is drained."""
        theirs = {name for name in self.hands_off if self._expected.get(name)}
        return theirs >= {name for name, weight in self.original.items() if weight}

    def _begin(self, servers: list[Server]) -> None:
        """Start counting for these servers."""
        self.servers = servers
        self.ledger = Ledger(self._backend, [server.name for server in servers])
        self.controller = Controller(self._told(servers), self._policy, self._limits)
        self.agents = False
        self._look_for_agents(servers)
        self._passed_at_start = _passed(servers)
        self._log = Completeness(self._passed_at_start, 0.0)

    def _told(self, servers: list[Server]) -> NDArray[np.float64]:
        """The operator's weights; a server that was drained counts as one of the least weight."""
        return np.array([max(self.original[server.name], 1) for server in servers], np.float64)

    @property
    def log_gap(self) -> bool:
        """Whether log lines are missing now, or none has ever come although requests pass."""
        return self._log.missing

    def _resume(self, servers: list[Server], new: Set[str] = frozenset()) -> None:
        """Go on from the weights in force; those of new servers are as yet on the scale of the original ones."""
        old = {s.name for s in servers} - new
        present = [
            carried_over(max(s.weight, 1), self._expected, self.original, old) if s.name in new else s.weight
            for s in servers
        ]
        self.controller.resume(np.maximum(np.array(present, np.float64), 1.0), self._told(servers))

    def note(self, text: str) -> None:
        """Tell a person, once while it stays the last word."""
        if not self.notes or self.notes[-1] != text:
            self.notes.append(text)
            if self._tell is not None:
                self._tell(text)

    def tick(self, wall_s: float, now_s: float, hear: Callable[[], None] | None = None) -> None:
        """Observe, decide, and set what has changed.

        Args:
            wall_s: Now, s since 1970.
            now_s: Now, s on a clock that does not go back.
            hear: Reads the log lines that wait; called once the proxy's counters are known, so that an answer which
                they count is not missing in the log only because the proxy took long to say them.

        Raises:
            BadInput: The backend has gone from the proxy's configuration, or somebody else steers it.
        """
        before = self._process
        try:
            servers = self._ask()
        except ProxyGone as error:
            self.lost += 1
            self.note(f"the proxy does not answer: {error}")
            return
        if hear is not None:
            hear()
        complete = self._compare(servers, now_s, anew=self._process != before)
        active = np.array([server.active for server in servers], np.float64)
        up = np.array([server.up for server in servers])
        seen = self.ledger.observe(wall_s, now_s, active, up, complete=complete)
        if step_s := self.ledger.clock_step_s:
            way = "back" if step_s < 0 else "forward"
            self.note(f"the clock was set {way} by {abs(step_s):.0f} s: one observation is passed over")
        if self.ledger.lines == 0:
            # A log that never reached us is no reason to give up the operator's weights.
            if _passed(servers) - self._passed_at_start >= _FEW:
                self.note("requests pass, but no log line of this backend has come: see the log settings")
            return
        wanted = as_integers(self.controller.decide(seen))
        self._apply({server.name: int(w) for server, w in zip(servers, wanted, strict=True)})

    def _compare(self, servers: list[Server], now_s: float, *, anew: bool) -> bool:
        """Notice other servers and other people's changes; whether the log kept up with the proxy's counters."""
        before, self.servers = self.servers, servers
        if [server.name for server in servers] != [server.name for server in before]:
            self.original = {s.name: self.original.get(s.name, s.weight) for s in servers}
            # A server that is added again under an old name is another one.
            self._expected = {s.name: self._expected.get(s.name, s.weight) for s in servers}
            self._earlier = {name: w for name, w in self._earlier.items() if name in self._expected}
            self.hands_off &= self.original.keys()
            if self._kept:
                self._keep()
            self.note("the backend has other servers now: begun anew")
            self._begin(servers)
            self._look_for_others(servers)
            if self._steered:
                new = self.original.keys() - {server.name for server in before}
                self._foreign |= new
                self._resume(servers, new)
            return True
        self._look_for_agents(servers)
        if self.agents and self._kept:
            # What an agent sets is on the original scale: nothing of ours may stay beside it.
            self.restore()
        self._look_for_others(servers)
        if anew:
            self._steered = False
            self._resume(servers)
            self._log.begin_anew(_passed(servers), self.ledger.lines, now_s)
        missed = self._log.missing
        complete = self._log.look(_passed(servers), self.ledger.lines, now_s)
        if self.ledger.lines and complete == missed:
            gone, back = "log lines are missing: nothing is inferred from what came", "log lines come again"
            self.note(back if complete else gone)
        return complete

    def _look_for_others(self, servers: list[Server]) -> None:
        """A weight that is neither the one we found nor the one we set is a person's, on the scale in force."""
        if self.agents and not self._kept:
            # Agent-checks have set them, and nothing of ours is in force.
            return
        for server in servers:
            if server.weight in self._earlier.get(server.name, ()):
                self._expected[server.name] = server.weight
        self._earlier.clear()
        touched = {
            s.name: s.weight
            for s in servers
            if not s.agent and s.weight != self._expected.setdefault(s.name, s.weight)
        }
        if not touched:
            return
        carried = self._carried_over(touched)
        for name, weight in touched.items():
            self.note(
                f"somebody else set the weight of {name}: {self._heed(name, weight, carried.get(name, 0))}"
            )
        self._expected |= touched
        if not self._steered:
            self._resume(servers)
        if self._kept:
            self._keep()

    def _carried_over(self, touched: Mapping[str, int]) -> dict[str, int]:
        """What weights that a person has set are on the scale of the original ones, by server."""
        others = self.original.keys() - touched.keys()
        # Servers that we steer tell the scales best, and one's own weights only where there are no other servers.
        among = next((a for a in (others - self.hands_off, others) if a), self.original.keys())
        return {
            name: carried_over(weight, self.original, self._expected, among)
            for name, weight in touched.items()
            if weight
        }

    def _heed(self, name: str, weight: int, carried: int) -> str:
        """Do as a person wants who set a server's weight; what that is, in words."""
        if weight and weight == self._configured.get(name) and name in self.hands_off:
            self.original[name] = weight
            self.hands_off.discard(name)
            self._foreign.add(name)
            return "it is the configured one, and the server is steered"
        if weight:
            self.original[name] = carried
            if not self._steered:
                return "it counts as the original one"
        if self._steered:
            self.hands_off.add(name)
        if not weight:
            return "it is left alone"
        return f"it is left alone, and is to be {carried} once the others have their original ones"

    def _look_for_agents(self, servers: list[Server]) -> None:
        """An agent's next report would put its weight back: once one is seen, nothing more is set."""
        if self.agents or not any(server.agent for server in servers):
            return
        self.agents = True
        one = next(server.name for server in servers if server.agent)
        self.note(
            f"agent-checks set weights of this backend, that of {one} for one: it is watched and not steered. "
            f'Disable them in the proxy ("disable agent {self._backend}/{one}") and start again to have it steered'
        )

    def _apply(self, wanted: dict[str, int]) -> None:
        """Set the weights that differ from those in force, where we may."""
        if self._steered:
            # Rounding and a common change of scale may add up to more than the step that the controller keeps to.
            wanted |= {
                s.name: stepwise(s.weight, wanted[s.name], self._limits.step)
                for s in self.servers
                if s.name not in self._foreign
            }
        change = {
            server.name: wanted[server.name]
            for server in self.servers
            if server.weight != wanted[server.name]
            and server.weight > 0
            and self.original[server.name] > 0
            and server.name not in self.hands_off
        }
        if not change or self.dry_run or self.agents or self.refused:
            return
        if not self._keep(change):
            return
        try:
            self._set(change)
            self.writes += 1
            self._steered = True
            self._foreign.clear()
        except ProxyGone as error:
            self.lost += 1
            self.note(f"the proxy does not answer: {error}")
        except ProxyRefused as error:
            self.refused = True
            self.note(f"the proxy refuses, nothing more is set: {error}")
            if not self.writes:
                self.restore()

    def _set(self, weights: Mapping[str, int]) -> None:
        """Set weights; where the answer is lost they may be in force or not, and neither is a person's then."""
        for name in weights:
            if name in self._expected:
                self._earlier.setdefault(name, set()).add(self._expected[name])
        self._expected |= weights
        self._runtime.set_weights(self._backend, weights)
        self._earlier.clear()

    def restore(self) -> bool:
        """Put the original weights back; whether that was done, or there was nothing to do."""
        if not self._kept:
            return True
        try:
            servers = self._ask()
            self._look_for_others(servers)
            changed = self._put_back(self._to_put_back(servers), servers)
        except (ProxyGone, ProxyRefused, BadInput) as error:
            self.note(f"the original weights are not back yet: {error}")
            return False
        self._keepsake.forget()
        self._kept = self._steered = False
        if changed:
            self.note("the original weights are back" + self._but(servers))
        return True

    def _to_put_back(self, servers: list[Server]) -> dict[str, int]:
        """The original weights; nothing where a person has set every weight in force."""
        theirs = {s.name for s in servers if s.agent and s.weight != self._expected.get(s.name)}
        if self._all_are_theirs():
            return {}
        return {name: weight for name, weight in self.original.items() if name not in theirs}

    def _but(self, servers: list[Server]) -> str:
        """What a person had set, and what it was carried over to."""
        drained = sorted(s.name for s in servers if s.name in self.hands_off and not s.weight)
        carried = [
            f"{s.name} from {s.weight} to {self.original[s.name]}"
            for s in servers
            if s.name in self.hands_off and s.weight
        ]
        left = f", but for those of {', '.join(drained)}" if drained else ""
        return left + (f"; what somebody else set was carried over: {', '.join(carried)}" if carried else "")

    def _put_back(self, weights: Mapping[str, int], servers: list[Server]) -> bool:
        """Set the weights that are not in force; whether there were any."""
        # A server at weight 0 was drained by a person: that stays.
        present = _weights(servers)
        back = {name: w for name, w in weights.items() if present.get(name, 0) not in (0, w)}
        self._set(back)
        return bool(back)


def _weights(servers: list[Server]) -> dict[str, int]:
    """The weights in force, by server."""
    return {server.name: server.weight for server in servers}


def _passed(servers: list[Server]) -> int:
    """Answers that the proxy has counted."""
    return sum(server.total - server.active for server in servers)
