"""Lines of the printed table."""

import statistics
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """One measurement beside its baseline; `met` says whether it keeps its bound, None without a bound."""

    name: str
    figure: str
    baseline: str = ""
    ratio: float | None = None
    bound: str = ""
    met: bool | None = None


def ratio(
    name: str, figure: float, baseline: float, unit: str, baseline_name: str, limit: float, aim: float = 0
) -> Line:
    """Return the line of a figure that must be at most `limit` times its baseline."""
    quotient = figure / baseline
    bound = f"≤ {limit} ×" + (f" (aim {aim})" if aim else "")
    return Line(
        name,
        f"{figure:.1f} {unit}",
        f"{baseline:.1f} {unit} {baseline_name}",
        quotient,
        bound,
        quotient <= limit,
    )


def table(lines: Iterable[Line]) -> str:
    """Return the lines as a table in plain text."""
    rows = [("measurement", "figure", "baseline", "ratio", "bound", "")]
    for line in lines:
        verdict = {None: "", True: "met", False: "MISSED"}[line.met]
        quotient = "" if line.ratio is None else f"{line.ratio:.2f}"
        rows.append((line.name, line.figure, line.baseline, quotient, line.bound, verdict))
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    return "\n".join(
        "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def median(values: Iterable[float]) -> float:
    return statistics.median(values)
