"""`make bench`: a table of figures, each with a baseline that was measured in the same run.

Arguments choose parts: `python -m tests.bench starts calls`.
"""

import logging
import platform
import sys
from contextlib import redirect_stdout
from io import StringIO

from tests.bench import calls, host, load, memory, models, sizes, starts, steps, workflows
from tests.bench.rows import Line, table

if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    parts = {
        "starts": starts,
        "calls": calls,
        "steps": steps,
        "workflows": workflows,
        "models": models,
        "memory": memory,
        "host": host,
        "load": load,
        "sizes": sizes,
    }
    names = sys.argv[1:] or list(parts)
    print(f"Python {platform.python_version()}, {platform.machine()}; medians of interleaved repetitions")
    for name in names:
        with redirect_stdout(StringIO()):  # executions write their metrics to it
            lines: list[Line] = list(parts[name].lines())
        print(f"\n{name}\n\n{table(lines)}", flush=True)
