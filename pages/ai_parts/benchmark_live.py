"""The ratios of a running benchmark as a small SVG, which costs the measured machine almost nothing."""

import html
import math
from collections.abc import Sequence
from typing import Final

from monitor.api_models.ai import Benchmark

COLOURS: Final = ("#8957e5", "#0a8f7f", "#1f6feb", "#b35900", "#cf222e")
WIDTH: Final = 720
HEIGHT: Final = 190
_LEFT: Final = 44
_BOTTOM: Final = 24
_LEAST: Final = 0.1


def ratio_picture(now: Benchmark) -> str:
    """The ratio of each pair so far on a logarithmic scale, with the confidence interval as a band. 1 is the reference."""
    series = {name: values for name, values in now.ratios.items() if values}
    reach = _reach(now, series)
    most = max(*(len(v) for v in series.values()), 8)
    lines = [_frame(reach, now.reference)]
    words = []
    for colour, (name, values) in zip(COLOURS, series.items(), strict=False):
        bounds = now.intervals.get(name)
        lines.append(_series(values, bounds, most, reach, colour))
        said = f"{name}: {len(values)} pairs, newest {values[-1]:.2f}"
        if bounds and bounds[1] is not None:
            said += f", 95 % so far {bounds[0]:.2f} to {bounds[1]:.2f}"
        words.append(said)
        lines.append(
            f'<text x="{_LEFT + 6}" y="{14 + 15 * (len(words) - 1)}" fill="{colour}" font-size="12">{html.escape(said)}</text>'
        )
    label = html.escape(f"Speed against {now.reference}, pair by pair. {'; '.join(words)}", quote=True)
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="100%" role="img" aria-label="{label}" style="max-height:240px;color:inherit">'
        f"{''.join(lines)}</svg>"
    )


def _reach(now: Benchmark, series: dict[str, list[float]]) -> float:
    """The end of the scale in logarithms; it begins at the negative of it."""
    logs = [abs(math.log(v)) for values in series.values() for v in values if v > 0]
    logs += [abs(math.log(b)) for pair in now.intervals.values() for b in pair if b]
    return max(max(logs, default=0.0) * 1.15, _LEAST)


def _y(value: float, reach: float) -> float:
    share = (math.log(value) + reach) / (2 * reach)
    return (HEIGHT - _BOTTOM) * (1 - min(max(share, 0.0), 1.0))


def _x(at: int, most: int) -> float:
    return _LEFT + (WIDTH - _LEFT - 8) * (at + 0.5) / most


def _frame(reach: float, reference: str) -> str:
    rows = []
    for value in (math.exp(-reach * 0.8), 1.0, math.exp(reach * 0.8)):
        y = _y(value, reach)
        dash = "" if value == 1.0 else ' stroke-dasharray="2 4"'
        rows.append(
            f'<line x1="{_LEFT}" x2="{WIDTH}" y1="{y:.1f}" y2="{y:.1f}" stroke="#8b949e" stroke-width="1"{dash}/>'
        )
        rows.append(
            f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end" font-size="11" fill="currentColor">{value:.2f}</text>'
        )
    below = html.escape(f"speed against {reference}, pair by pair; above 1 is faster")
    rows.append(f'<text x="{_LEFT}" y="{HEIGHT - 6}" font-size="11" fill="currentColor">{below}</text>')
    return "".join(rows)


def _series(
    values: Sequence[float], bounds: Sequence[float | None] | None, most: int, reach: float, colour: str
) -> str:
    points = " ".join(f"{_x(i, most):.1f},{_y(v, reach):.1f}" for i, v in enumerate(values) if v > 0)
    out = f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
    out += "".join(
        f'<circle cx="{_x(i, most):.1f}" cy="{_y(v, reach):.1f}" r="2.5" fill="{colour}"/>'
        for i, v in enumerate(values)
        if v > 0
    )
    if bounds and bounds[0] and bounds[1]:
        top, bottom = _y(bounds[1], reach), _y(bounds[0], reach)
        out = f'<rect x="{_LEFT}" width="{WIDTH - _LEFT}" y="{top:.1f}" height="{max(bottom - top, 1):.1f}" fill="{colour}" opacity="0.15"/>{out}'
    return out
