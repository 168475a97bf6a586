"""Timelines as one offline page: an SVG each, with a few lines of script to zoom and pan in time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from itertools import pairwise
from pathlib import Path

from qoslab.core.errors import BadInput, Problem
from qoslab.core.files import write_whole
from qoslab.domains.entanglement.timeline.events import Timeline
from qoslab.domains.entanglement.timeline.run import read_and_watch
from qoslab.draw.palette import COLOURS, FAINT, INK

__all__ = ["page", "svg", "timeline"]

_WIDTH, _LEFT, _ROW, _TOP = 1200, 110, 74.0, 26.0
_LEAST_STEP = 3.0
_MOST = 20_000
"""Most stays in memory on a page."""
_FATES = {
    "swapped": (COLOURS[0], "swapped"),
    "failed": (COLOURS[1], "swap failed"),
    "used": (COLOURS[2], "delivered to a user"),
    "spent": (COLOURS[3], "spent in purification"),
    "dropped": (FAINT, "given up"),
    "held": (COLOURS[4], "still held"),
}


class _Rows:
    """Where everything stands: a row for each node, the memories of each link beside it, on the side of its other end.

    Args:
        found: The timeline.
    """

    def __init__(self, found: Timeline) -> None:
        self.lanes: dict[tuple[int, int, int], int] = {}
        beside = [[0, 0] for _ in found.names]
        for node, other, memory in sorted(
            {(stay.node, stay.other, stay.memory) for stay in found.stays},
            key=lambda key: (key[0], abs(key[1] - key[0]), key[2]),
        ):
            below = int(other > node)
            self.lanes[node, other, memory] = beside[node][below]
            beside[node][below] += 1
        most = max((max(two) for two in beside), default=1)
        self.step = min(6.0, max(_LEAST_STEP, 24.0 / max(most, 1)))
        self.y = [_TOP + self.step * max(0, beside[0][0] - 1)] if beside else []
        for (_, below), (above, _) in pairwise(beside):
            self.y.append(self.y[-1] + max(_ROW, 24 + self.step * (below + above)))
        self.end = self.y[-1] + max(22.0, 10 + self.step * beside[-1][1])

    def lane(self, node: int, other: int, memory: int) -> float:
        """Height of a memory."""
        side = 1 if other > node else -1
        return self.y[node] + side * (5 + self.step * self.lanes[node, other, memory])


def svg(found: Timeline) -> str:
    """One timeline: a row per node, time to the right; bars are qubits in memory, upright lines pairs, deliveries."""
    rows, width = _Rows(found), _WIDTH - _LEFT - 20
    height, scale = rows.end + 26, width / found.horizon_s
    lanes = [
        f'<line class="lane" x1="{_LEFT}" x2="{_WIDTH - 20}" y1="{y:.4g}" y2="{y:.4g}"/>'
        f'<text x="{_LEFT - 12}" y="{y + 4:.4g}" text-anchor="end">{escape(name)}</text>'
        for y, name in zip(rows.y, found.names, strict=True)
    ]
    marks = [
        *_slots(found, rows),
        *_bars(found, rows),
        *_words(found, rows.y),
        *_swaps(found, rows.y),
        *_deliveries(found, rows.y),
    ]
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height:.4g}" data-span="{found.horizon_s!r}" data-left="{_LEFT}" '
        f'data-scale="{scale!r}" role="img" aria-label="space-time timeline">'
        f"{''.join(lanes)}"
        f'<svg class="window" x="{_LEFT}" y="0" width="{width}" height="{rows.end:.4g}">'
        f'<g class="plot" transform="matrix({scale!r} 0 0 1 0 0)">{"".join(marks)}</g></svg>'
        f'<g class="axis" data-y="{rows.end + 16:.4g}"></g></svg>'
    )


def _slots(found: Timeline, rows: _Rows) -> Iterator[str]:
    """A band while links try; the rest of a slot is messages."""
    for place, slot in enumerate(found.slots):
        tip = (
            f"slot {place}: links try from {_ms(slot.start_s)} to {_ms(slot.tried_s)}, the state is known at "
            f"{_ms(slot.known_s)}, orders are carried out at {_ms(slot.ordered_s)}, users know at {_ms(slot.end_s)}"
        )
        yield (
            f'<rect class="slot" x="{slot.start_s:.9g}" y="0" width="{slot.tried_s - slot.start_s:.9g}" '
            f'height="{rows.end:.4g}"><title>{escape(tip)}</title></rect>'
        )


def _ms(time_s: float) -> str:
    return f"{1e3 * time_s:.3f} ms"


def _bars(found: Timeline, rows: _Rows) -> Iterator[str]:
    for stay in found.stays:
        y = rows.lane(stay.node, stay.other, stay.memory)
        colour, words = _FATES[stay.fate]
        names = found.names[stay.node], found.names[stay.other]
        tip = f"{names[0]}, pair with {names[1]}: {1e3 * stay.since_s:.3f} to {_ms(stay.until_s)}, {words}"
        yield _line(stay.since_s, y, stay.until_s, y, colour, max(1.5, rows.step - 1.5), tip)
        if stay.other > stay.node:
            yield _line(stay.since_s, y, stay.since_s, rows.y[stay.other] - 5, FAINT, 0.5, "", dash="1 3")


def _words(found: Timeline, y: Sequence[float]) -> Iterator[str]:
    for word in found.heralds:
        says = "succeeded" if word.good else "failed"
        tip = f"{found.names[word.origin]} tells {found.names[word.target]}: swap {says}"
        colour = COLOURS[0] if word.good else COLOURS[1]
        yield _line(word.start_s, y[word.origin], word.end_s, y[word.target], colour, 0.8, tip, dash="4 3")


def _swaps(found: Timeline, y: Sequence[float]) -> Iterator[str]:
    for swap in found.swaps:
        says = "succeeded" if swap.good else "failed"
        what = "swap" if swap.pairs == 2 else f"fusion of {swap.pairs} pairs"
        tip = f"{what} at {found.names[swap.node]}, {_ms(swap.time_s)}: {says}"
        at = y[swap.node]
        yield _line(swap.time_s, at - 8, swap.time_s, at + 8, COLOURS[0] if swap.good else COLOURS[1], 3, tip)


def _deliveries(found: Timeline, y: Sequence[float]) -> Iterator[str]:
    for each in found.deliveries:
        first, last = sorted((each.first, each.last))
        users = f"{found.names[each.first]} and {found.names[each.last]}"
        tip = f"delivered to {users} at {_ms(each.time_s)}, fidelity {each.fidelity:.4f}"
        yield _line(each.time_s, y[first] - 14, each.time_s, y[last] + 14, COLOURS[2], 1.6, tip)


def _line(
    x1: float, y1: float, x2: float, y2: float, colour: str, width: float, tip: str, dash: str = ""
) -> str:
    title = f"<title>{escape(tip)}</title>" if tip else ""
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return (
        f'<line x1="{x1:.9g}" y1="{y1:.4g}" x2="{x2:.9g}" y2="{y2:.4g}" stroke="{colour}" '
        f'stroke-width="{width:.3g}"{dashed}>{title}</line>'
    )


_STYLE = f"""body{{font:14px system-ui,sans-serif;color:{INK};margin:24px auto;max-width:1240px}}
svg text{{font-size:12px;fill:{INK}}}.lane{{stroke:{FAINT};stroke-width:.8}}
.plot line{{vector-effect:non-scaling-stroke}}
.slot{{fill:{FAINT};fill-opacity:.16}}.window{{cursor:grab}}
.key span{{display:inline-block;margin-right:18px}}.key i{{display:inline-block;width:22px;
height:5px;margin-right:6px;vertical-align:middle}}"""

_SCRIPT = """for(const svg of document.querySelectorAll('svg[data-span]')){
const span=+svg.dataset.span,left=+svg.dataset.left,full=+svg.dataset.scale,plot=svg.querySelector('.plot'),
axis=svg.querySelector('.axis'),win=svg.querySelector('.window'),width=full*span;let scale=full,start=0;
function draw(){start=Math.max(0,Math.min(start,span-width/scale));
plot.setAttribute('transform',`matrix(${scale} 0 0 1 ${-start*scale} 0)`);
const rough=width/scale/8,power=10**Math.floor(Math.log10(rough)),step=[1,2,5,10].map(k=>k*power).find(s=>s>=rough);
axis.replaceChildren();
for(let k=Math.ceil(start/step);k*step<=start+width/scale+1e-12;k++){
const text=document.createElementNS('http://www.w3.org/2000/svg','text');
text.setAttribute('x',left+(k*step-start)*scale);text.setAttribute('y',axis.dataset.y);
text.setAttribute('text-anchor','middle');text.textContent=+(1e3*k*step).toPrecision(9)+' ms';axis.append(text)}}
function at(event){const box=svg.getBoundingClientRect();return(event.clientX-box.left)*1200/box.width-left}
svg.addEventListener('wheel',event=>{event.preventDefault();const x=at(event),time=start+x/scale;
scale=Math.max(full,Math.min(scale*1.0015**-event.deltaY,full*1e5));start=time-x/scale;draw()},{passive:false});
let held=null;win.addEventListener('pointerdown',event=>{held=[at(event),start];
win.setPointerCapture(event.pointerId)});
win.addEventListener('pointermove',event=>{if(held){start=held[1]-(at(event)-held[0])/scale;draw()}});
win.addEventListener('pointerup',()=>{held=null});
svg.addEventListener('dblclick',()=>{scale=full;start=0;draw()});draw()}"""


def page(found: Iterable[Timeline], title: str) -> str:
    """The page; it loads nothing from anywhere.

    Args:
        found: The timelines, one SVG each.
        title: Its heading.
    """
    key = "".join(
        f'<span><i style="background:{colour}"></i>{words}</span>' for colour, words in _FATES.values()
    )
    parts, bands = [], ""
    for each in found:
        facts = (
            f"{len(each.swaps)} swaps, {len(each.deliveries)} pairs delivered in {1e3 * each.horizon_s:g} ms"
        )
        if each.slots:
            facts += f", {len(each.slots)} slots"
            bands = " In grey bands links try; the rest of a slot is messages."
        parts.append(f"<h2>{escape(each.title)}</h2><p>{facts}</p>{svg(each)}")
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style></head><body><h1>{escape(title)}</h1>"
        '<p class="key">Qubits in memory: ' + key + "</p>"
        "<p>Short upright strokes are swaps, long green ones deliveries, slanted dashes word of swaps."
        + bands
        + " Wheel: zoom; drag: pan; double click: all. Hold the pointer over a line to read what it is.</p>"
        + "".join(parts)
        + f"<script>{_SCRIPT}</script></body></html>"
    )


def timeline(
    path: Path,
    *,
    out: Path = Path("timeline.html"),
    method: str = "",
    until_s: float = 0.05,
    set: tuple[str, ...] = (),
) -> str:
    """A space-time timeline of one run, as one offline page that can be zoomed.

    Args:
        path: Study file: its scenario, and its first method unless another is named.
        out: The page to write.
        method: Label or id of one of the file's methods.
        until_s: How long to watch, from the start of the run, s.
        set: Values set from outside, such as scenario.nodes.coherence_s=0.01; needed for those that the file varies.
    """
    if not 0 < until_s < float("inf"):
        raise BadInput(Problem(message=f"must be positive and finite, not {until_s:g}", field="until_s"))
    found = read_and_watch(path, method, until_s, set, _MOST)
    if not found:
        raise BadInput(Problem(message="the method plans no path", field="method"))
    if not out.parent.is_dir():
        raise BadInput(Problem(message=f"there is no folder {str(out.parent)!r}", field="out"))
    write_whole(out, page(found, f"Timeline of {path.name}").encode())
    return f"wrote {out}"
