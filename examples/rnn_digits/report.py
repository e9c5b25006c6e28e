"""What a run leaves behind: tables, all numbers, figures."""

import json
import platform
import shlex
import sys
from pathlib import Path
from typing import Any, Dict, List

import accuracy_claims
import block_claims
import numpy
import tables
import torch
from summary import Summary


def report(runs: List[Dict[str, Any]], options: Dict[str, Any], out: Path, seconds: float) -> str:
    """Write results.json, results.md and the figures into ``out``; the text of results.md.

    Args:
        runs: from ``experiment.run``.
        options: what was asked for.
        seconds: what it took.
    """
    import figures  # needs matplotlib, for which the processes that train have no use

    summary = Summary(runs)
    claims = [*accuracy_claims.judge(summary), *block_claims.judge(summary)]
    text = tables.results(summary, claims)
    numbers = {
        "command": shlex.join(["python", *sys.argv]),
        "options": {key: str(v) if isinstance(v, Path) else v for key, v in options.items()},
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": numpy.__version__,
        },
        "seconds": round(seconds, 1),
        "claims": [claim._asdict() for claim in claims],
        "runs": runs,
    }
    write(out / "results.json", json.dumps(numbers) + "\n")
    write(out / "results.md", text)
    figures.draw(summary, out)
    return text


def write(path: Path, text: str) -> None:
    """All of it or nothing."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
