"""SVG pictures of boxes, arrows and texts, without scripts and without external resources."""

from dataclasses import dataclass, field
from xml.sax.saxutils import escape, quoteattr

from weconnect.texts import make_visible

COLOURS = {
    "completed": "#2e7d32",
    "failed": "#c62828",
    "skipped": "#9e9e9e",
    "running": "#1565c0",
    None: "#37474f",
}
FONT = "font-family='system-ui, sans-serif' font-size='12'"


@dataclass
class Drawing:
    """A picture under construction: shapes in painting order, sizes in pixels."""

    shapes: list[str] = field(default_factory=list)
    width: float = 0
    height: float = 0

    def box(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        status: str | None,
        title: str,
        is_filled: bool = False,
    ) -> None:
        """Add a rectangle in the colour of a status; `title` is its tooltip."""
        colour = COLOURS.get(status, COLOURS[None])
        fill = colour if is_filled else "#ffffff"
        self.shapes.append(
            f"<rect x='{x:g}' y='{y:g}' width='{width:g}' height='{height:g}' rx='4' fill='{fill}' "
            f"stroke='{colour}' stroke-width='2'><title>{escape(make_visible(title))}</title></rect>"
        )
        self._reach(x + width, y + height)

    def text(self, x: float, y: float, text: str, colour: str = "#212121", max_length: int = 24) -> None:
        """Add a line of text, cut to `max_length` characters."""
        shown = text if len(text) <= max_length else text[: max_length - 1] + "…"
        self.shapes.append(
            f"<text x='{x:g}' y='{y:g}' fill={quoteattr(colour)}>{escape(make_visible(shown))}</text>"
        )
        self._reach(x + 7 * len(shown), y)

    def line(self, x1: float, y1: float, x2: float, y2: float) -> None:
        """Add a curve from left to right with an arrowhead."""
        bend = max(30.0, abs(x2 - x1) / 2)
        path = f"M{x1:g},{y1:g} C{x1 + bend:g},{y1:g} {x2 - bend:g},{y2:g} {x2:g},{y2:g}"
        self.shapes.append(f"<path d='{path}' fill='none' stroke='#78909c' marker-end='url(#end)'/>")

    def svg(self) -> str:
        """Return the SVG document."""
        width, height = self.width + 20, self.height + 20
        arrow = "<path d='M0,0 L8,4 L0,8 z' fill='#78909c'/>"
        return (
            f"<svg xmlns='http://www.w3.org/2000/svg' width='{width:g}' height='{height:g}' "
            f"viewBox='0 0 {width:g} {height:g}' {FONT}><defs><marker id='end' markerWidth='8' markerHeight='8' "
            f"refX='8' refY='4' orient='auto'>{arrow}</marker></defs>"
            f"<rect width='100%' height='100%' fill='#fafafa'/>{''.join(self.shapes)}</svg>"
        )

    def _reach(self, x: float, y: float) -> None:
        """Enlarge the picture so that it contains a point."""
        self.width, self.height = max(self.width, x), max(self.height, y)
