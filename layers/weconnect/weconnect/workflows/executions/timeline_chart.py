"""The timeline of an execution as an SVG chart: one bar for each node run."""

from weconnect.svg import Drawing
from weconnect.workflows.executions.entities import Timeline

LEFT, WIDTH, ROW = 190.0, 600.0, 24.0


def draw(timeline: Timeline) -> str:
    """Return the chart as SVG: names on the left, bars over the milliseconds since the execution's start."""
    drawing, total_ms = Drawing(), max(1, timeline.duration_ms)
    drawing.text(10, 20, f"{timeline.status} · {timeline.duration_ms} ms", max_length=60)
    for row, bar in enumerate(timeline.bars):
        y = 34 + row * ROW
        name = bar.node_name if bar.attempt == 1 else f"{bar.node_name} ({bar.attempt})"
        drawing.text(10, y + 13, name, max_length=25)
        start = LEFT + WIDTH * min(1.0, bar.start_ms / total_ms)
        width = max(2.0, WIDTH * min(1.0, bar.duration_ms / total_ms))
        drawing.text(start + width + 6, y + 13, f"{bar.duration_ms} ms", "#78909c")
        title = f"{name}: {bar.status}, {bar.duration_ms} ms"
        drawing.box(start, y, width, ROW - 8, bar.status, title, is_filled=True)
    return drawing.svg()
