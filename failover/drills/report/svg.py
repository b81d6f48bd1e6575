"""Just enough SVG: scales, elements, paths. Colours come from the style sheet by class."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

# Average width of a character of the labels' font, in its own size.
CHARACTER = 0.56


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps values from `low`…`high` onto pixels `start`…`end`, linearly or by logarithm."""

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = False

    def __call__(self, value: float) -> float:
        if self.logarithmic:
            low, high, value = math.log10(self.low), math.log10(self.high), math.log10(max(value, self.low))
        else:
            low, high = self.low, self.high
        share = (value - low) / (high - low) if high > low else 0.0
        return round(self.start + share * (self.end - self.start), 1)

    def clamp(self, value: float) -> float:
        return self(min(max(value, self.low), self.high))


def element(name: str, content: str = "", /, **attributes: object) -> str:
    """Return one element. ``klass`` is `class`; underscores in names become hyphens."""
    written = "".join(
        f' {"class" if key == "klass" else key.replace("_", "-")}="{escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return f"<{name}{written}>{content}</{name}>" if content else f"<{name}{written}/>"


def text(x: float, y: float, words: str, **attributes: object) -> str:
    return element("text", escape(words), x=x, y=y, **attributes)


def line(points: Iterable[tuple[float, float] | None], **attributes: object) -> str:
    """Return a path through the points; None interrupts it. A point alone becomes a dot."""
    parts: list[str] = []
    pen_down = False
    for point in points:
        if point is None:
            pen_down = False
            continue
        x, y = point
        parts.append(f"L{x} {y}" if pen_down else f"M{x} {y}h.01")
        pen_down = True
    return element("path", d="".join(parts), fill="none", **attributes) if parts else ""


def steps(points: Sequence[tuple[float, float]], width: float, base: float, **attributes: object) -> str:
    """Return the area under a staircase: each point is the top left of a step `width` pixels wide."""
    if not points:
        return ""
    outline = "".join(f"L{x} {y}H{round(x + width, 1)}" for x, y in points)
    first, last = points[0][0], round(points[-1][0] + width, 1)
    return element("path", d=f"M{first} {base}{outline}L{last} {base}Z", **attributes)


def ticks(low: float, high: float, about: int) -> list[float]:
    """Return round values between `low` and `high`, about so many."""
    span = max(high - low, 1e-9)
    raw = span / max(about, 1)
    magnitude = 10 ** math.floor(math.log10(raw))
    step = next(magnitude * factor for factor in (1, 2, 5, 10) if magnitude * factor >= raw)
    first = math.ceil(low / step)
    return [round(number * step, 6) for number in range(first, math.floor(high / step) + 1)]


def width_of(words: str, size: float) -> float:
    """Return the estimated width of words in pixels; a renderer's fonts are not known here."""
    return len(words) * size * CHARACTER
