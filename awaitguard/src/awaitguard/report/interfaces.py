"""The answer to `awaitguard interfaces` as text."""

from __future__ import annotations

from io import StringIO

from rich.console import Console
from rich.text import Text

from awaitguard.interfaces import Interfaces


def render_interfaces(found: Interfaces, colour: bool = False) -> str:
    """Every definition with its exports and callers; `colour` adds terminal colours."""
    out = StringIO()
    console = Console(
        file=out,
        force_terminal=colour,
        no_color=not colour,
        width=120,
        highlight=False,
        soft_wrap=True,
        color_system="standard" if colour else None,
    )
    if not found.found:
        console.print(Text(f"Nothing called {found.name} is defined here."))
    for one in found.found:
        cause = one.cause
        title = Text()
        title.append(f"{cause.name}{cause.signature if cause.colour != 'class' else ''}", style="bold")
        title.append(f"  {cause.colour}  {cause.path}:{cause.line}")
        console.print(title)
        awaited = sum(place.what == "awaited" for place in one.callers)
        console.print(Text(f"  {len(one.exports)} import(s), {len(one.callers)} caller(s), {awaited} of them await it"))
        for place in (*one.exports, *one.callers):
            console.print(Text(f"    {place.path}:{place.line}  {place.what}"))
        console.print()
    if found.unresolved:
        console.print(
            Text(f"{len(found.unresolved)} place(s) use the name, but its definition can't be found:", style="bold")
        )
        for place in found.unresolved:
            console.print(Text(f"    {place.path}:{place.line}  {place.what}"))
    return out.getvalue()
