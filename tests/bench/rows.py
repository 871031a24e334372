"""A row of the table, and how it is printed."""

import statistics
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """One measurement beside its baseline; `met` is None when nothing is asked of it."""

    name: str
    figure: str
    baseline: str = ""
    ratio: float | None = None
    bound: str = ""
    met: bool | None = None


def ratio(
    name: str, figure: float, baseline: float, unit: str, against: str, must: float, aim: float = 0
) -> Line:
    """A figure that must be at most `must` times its baseline, and may aim at less."""
    quotient = figure / baseline
    bound = f"≤ {must} ×" + (f" (aim {aim})" if aim else "")
    return Line(
        name, f"{figure:.1f} {unit}", f"{baseline:.1f} {unit} {against}", quotient, bound, quotient <= must
    )


def table(lines: Iterable[Line]) -> str:
    """The lines as text; what misses its bound says so."""
    rows = [("what", "figure", "baseline", "ratio", "bound", "")]
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
