"""A flame graph as an SVG: how samples of stacks share the time, callers below, callees above."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html import escape
from zlib import crc32

WIDTH, ROW, MARGIN = 1200, 17, 10
SHARE = 0.003
"""Frames that hold less of the samples than this are left out: nobody could read them, and the picture stays small."""
LOOP = "Runner.run (asyncio/runners.py)"
LETTER = 6.6
"""The width of a letter, about."""


@dataclass
class Frame:
    """A function, in one place of the stacks."""

    samples: int = 0
    callees: dict[str, Frame] = field(default_factory=dict[str, "Frame"])

    def add(self, stack: Sequence[str], samples: int) -> None:
        """Count the samples of one stack, its outermost function first."""
        self.samples += samples
        if stack:
            self.callees.setdefault(stack[0], Frame()).add(stack[1:], samples)


def collapsed(lines: str) -> Frame:
    """From lines as profilers write them: `outer;inner 12`. What only leads to the event loop is left out."""
    root = Frame()
    for line in lines.splitlines():
        functions, _, samples = line.rpartition(" ")
        stack = [_readable(function) for function in functions.split(";")]
        if LOOP in stack:
            stack = stack[stack.index(LOOP) :]
        root.add(stack, int(samples))
    return root


def _readable(function: str) -> str:
    """Without line numbers, and the folders that say where it's installed."""
    name, _, place = function.partition(" (")
    place = re.sub(r".*(site-packages|python3\.\d+)/|:\d+|\)$", "", place)
    return f"{name} ({place})" if place else name


def svg(root: Frame, title: str) -> str:
    """The picture."""
    boxes = list(_boxes(root, 0, 0.0, root.samples))
    depth = max((row for row, *_ in boxes), default=0)
    height = (depth + 1) * ROW + 2 * MARGIN + ROW
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}"'
        ' font-family="monospace" font-size="11">',
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
        f'<text x="{WIDTH / 2}" y="{MARGIN + 10}" text-anchor="middle" font-size="13">{escape(title)}</text>',
    ]
    for row, name, left, share in boxes:
        x, width = MARGIN + left * (WIDTH - 2 * MARGIN), share * (WIDTH - 2 * MARGIN)
        y = height - MARGIN - (row + 1) * ROW
        words = f"{name}: {share:.1%}"
        parts.append(
            f'<g><title>{escape(words)}</title><rect x="{x:.1f}" y="{y}" width="{max(width - 0.5, 0.5):.1f}"'
            f' height="{ROW - 1}" fill="{_colour(name)}"/>{_label(name, x, y, width)}</g>'
        )
    return "\n".join([*parts, "</svg>\n"])


def _boxes(frame: Frame, row: int, left: float, whole: int) -> Iterator[tuple[int, str, float, float]]:
    """(row, name, left, share), the widest first."""
    for name, callee in sorted(frame.callees.items(), key=lambda each: -each[1].samples):
        share = callee.samples / whole
        if share >= SHARE:
            yield row, name, left, share
            yield from _boxes(callee, row + 1, left, whole)
        left += share


def _label(name: str, x: float, y: float, width: float) -> str:
    letters = int((width - 6) / LETTER)
    if letters < 4:
        return ""
    shown = name if len(name) <= letters else name[: letters - 1] + "…"
    return f'<text x="{x + 3:.1f}" y="{y + 12}">{escape(shown)}</text>'


def _colour(name: str) -> str:
    """Netra's own functions are green, all others warm."""
    shade = crc32(name.encode()) % 40
    return (
        f"hsl({130 + shade % 20},55%,{65 + shade % 12}%)" if "netra_backend" in name else f"hsl({20 + shade},75%,72%)"
    )
