"""The compiled ledger equals the plain one bit for bit, and so no decision depends on which of them counts."""

import random
from datetime import UTC, datetime

import numpy as np
import pytest
from tests.balancing.deploy.plain_ledger import PlainLedger

from qoslab.domains.balancing.deploy.ledger import Ledger

NOW, NAMES = 1_790_000_000.0, ("a", "b", "c", "d", "e")


def line(draw, wall_s, zone_s):
    """An answer that ended lately, now and then late, failed, refused, of others, in another zone, or spoilt."""
    k = draw.randrange(6)
    took_ms = round((1.0, 2.0, 30.0, 400.0, 3000.0, 30.0)[k] * draw.expovariate(1.0))
    late_s = draw.choice((0.0, 0.0, 0.0, 0.2, 3.0, 20.0, 61.0))
    began = datetime.fromtimestamp(wall_s - draw.random() - late_s - took_ms / 1e3 + zone_s, UTC)
    stamp = f"{began:%d/%b/%Y:%H:%M:%S}.{began.microsecond // 1000:03d}"
    place = draw.choice(("work", "work", "work", "work", "other")) + "/" + (*NAMES, "<NOSRV>")[k]
    timers = f"{draw.choice((-1, 0, 0, 5))}/{draw.choice((-1, 0, 0, 7, 900))}/1/2/{draw.choice((took_ms,) * 9 + (-1,))}"
    status = draw.choice((200,) * 12 + (302, 404, 404, 408, 429, 499, 500, 503, -1, 99))
    whole = f"<134>127.0.0.1:9 [{stamp}] front {place} {timers} {status} 66 - - ----".encode()
    return whole if draw.random() < 0.98 else whole.replace(draw.choice((b"/", b":", b"0")), b"x", 1)


def both(seed, ticks, lines, steps, share_in_flight):
    """What the two ledgers counted at each observation, and the ledgers."""
    draw, zone_s = random.Random(seed), random.Random(seed).choice((0.0, 7200.0, -12600.0, 50400.0))
    ledger, plain, ahead, found = Ledger("work", NAMES), PlainLedger("work", NAMES), 0.0, []
    for tick in range(1, ticks):
        now = 0.5 * tick
        ahead += steps.get(tick, 0.0)
        for _ in range(draw.randrange(lines)):
            one = line(draw, NOW + now + ahead, zone_s)
            ledger.take(one, NOW + now + ahead)
            plain.take(one, NOW + now + ahead)
        active = np.array([float(draw.randrange(4) * (draw.random() < share_in_flight)) for _ in NAMES])
        seen = ledger.observe(NOW + now + ahead, now, active, np.ones(len(NAMES), bool), complete=True)
        found.append(
            (np.array([seen.done, seen.busy_s, seen.area_s]), plain.observe(NOW + now + ahead, now, active))
        )
    return found, ledger, plain


@pytest.mark.parametrize("lines", [3, 60, 600])
@pytest.mark.parametrize("steps", [{}, {9: -40.0, 20: 3600.0}])
@pytest.mark.parametrize("share_in_flight", [0.2, 0.9])
def test_the_compiled_ledger_equals_the_plain_one_bit_for_bit(lines, steps, share_in_flight):
    found, ledger, plain = both(lines, 4000 // lines + 25, lines, steps, share_in_flight)
    for compiled, by_hand in found:
        assert compiled.tobytes() == by_hand.tobytes()
    assert (ledger.lines, ledger.odd) == (plain.lines, plain.odd)
    assert ledger.lines > 500
    assert ledger.odd > 50


def test_all_that_the_two_ledgers_treat_apart_has_occurred():
    """Late lines of what was given up, and full unions: what the comparison would else say nothing about."""
    _, _, plain = both(3, 1400, 3, {}, 0.2)
    assert max(map(len, plain.unions)) == 64
    assert sum(at > 0.0 for at in plain.given_up_at) == len(NAMES)
