"""A timeline as one offline page: an SVG per path, with a few lines of script to zoom and pan in time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from pathlib import Path

from qoslab.core.errors import BadInput, Problem
from qoslab.core.files import write_whole
from qoslab.domains.entanglement.timeline import PathTimeline, read_and_watch
from qoslab.draw.palette import COLOURS, FAINT, INK

__all__ = ["page", "svg", "timeline"]

_WIDTH, _LEFT, _ROW, _TOP = 1200, 110, 74, 26
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


def svg(path: PathTimeline) -> str:
    """One path: a row per node, time to the right; bars are qubits in memory, upright lines pairs and deliveries."""
    rows = [_TOP + _ROW * place for place in range(len(path.names))]
    height, scale = rows[-1] + 48, (_WIDTH - _LEFT - 20) / path.horizon_s
    lanes = [
        f'<line class="lane" x1="{_LEFT}" x2="{_WIDTH - 20}" y1="{y}" y2="{y}"/>'
        f'<text x="{_LEFT - 12}" y="{y + 4}" text-anchor="end">{escape(name)}</text>'
        for y, name in zip(rows, path.names, strict=True)
    ]
    marks = [*_bars(path, rows), *_words(path, rows), *_swaps(path, rows), *_deliveries(path, rows)]
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height}" data-span="{path.horizon_s!r}" data-left="{_LEFT}" '
        f'data-scale="{scale!r}" role="img" aria-label="space-time timeline">'
        f"{''.join(lanes)}"
        f'<svg class="window" x="{_LEFT}" y="0" width="{_WIDTH - _LEFT - 20}" height="{rows[-1] + 22}">'
        f'<g class="plot" transform="matrix({scale!r} 0 0 1 0 0)">{"".join(marks)}</g></svg>'
        f'<g class="axis" data-y="{rows[-1] + 38}"></g></svg>'
    )


def _bars(path: PathTimeline, rows: Sequence[int]) -> Iterator[str]:
    most = 1 + max((stay.memory for stay in path.stays), default=0)
    step = min(6.0, 24.0 / most)
    for stay in path.stays:
        # A hop's memories stand on its side of the node's row.
        side = 1 if stay.node == stay.hop else -1
        y = rows[stay.node] + side * (5 + step * stay.memory)
        colour, words = _FATES[stay.fate]
        other = path.names[stay.hop + 1 if side > 0 else stay.hop]
        tip = (
            f"{path.names[stay.node]}, pair with {other}: {1e3 * stay.since_s:.3f} to {1e3 * stay.until_s:.3f} ms, "
            f"{words}"
        )
        yield _line(stay.since_s, y, stay.until_s, y, colour, max(1.5, step - 1.5), tip)
        if side > 0:
            below = rows[stay.node + 1] - 5 - step * stay.memory
            yield _line(stay.since_s, y, stay.since_s, below, FAINT, 0.5, "", dash="1 3")


def _words(path: PathTimeline, rows: Sequence[int]) -> Iterator[str]:
    for word in path.heralds:
        says = "succeeded" if word.good else "failed"
        tip = f"{path.names[word.origin]} tells {path.names[word.target]}: swap {says}"
        colour = COLOURS[0] if word.good else COLOURS[1]
        ends = (rows[word.origin], rows[word.target])
        yield _line(word.start_s, ends[0], word.end_s, ends[1], colour, 0.8, tip, dash="4 3")


def _swaps(path: PathTimeline, rows: Sequence[int]) -> Iterator[str]:
    for swap in path.swaps:
        says = "succeeded" if swap.good else "failed"
        tip = f"swap at {path.names[swap.node]}, {1e3 * swap.time_s:.3f} ms: {says}"
        y = rows[swap.node]
        yield _line(swap.time_s, y - 8, swap.time_s, y + 8, COLOURS[0] if swap.good else COLOURS[1], 3, tip)


def _deliveries(path: PathTimeline, rows: Sequence[int]) -> Iterator[str]:
    for time, fidelity in path.deliveries.tolist():
        tip = f"delivered at {1e3 * time:.3f} ms, fidelity {fidelity:.4f}"
        yield _line(time, rows[0] - 14, time, rows[-1] + 14, COLOURS[2], 1.6, tip)


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
.window{{cursor:grab}}.key span{{display:inline-block;margin-right:18px}}.key i{{display:inline-block;width:22px;
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


def page(paths: Iterable[PathTimeline], title: str) -> str:
    """The page; it loads nothing from anywhere.

    Args:
        paths: The paths, one SVG each.
        title: Its heading.
    """
    key = "".join(
        f'<span><i style="background:{colour}"></i>{words}</span>' for colour, words in _FATES.values()
    )
    parts = []
    for path in paths:
        name = " - ".join(path.names)
        facts = (
            f"{len(path.swaps)} swaps, {len(path.deliveries)} pairs delivered in {1e3 * path.horizon_s:g} ms"
        )
        parts.append(f"<h2>{escape(name)}</h2><p>{facts}</p>{svg(path)}")
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style></head><body><h1>{escape(title)}</h1>"
        '<p class="key">Qubits in memory: ' + key + "</p>"
        "<p>Short upright strokes are swaps, long green ones deliveries, slanted dashes word of swaps. Wheel: zoom; "
        "drag: pan; double click: all. Hold the pointer over a line to read what it is.</p>"
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
