"""The model card: what a compressed model is, how good, how fast, and how it was made."""

import json
import math
import os
from typing import Any, Dict, List

from ...analysis.matrices import matrices
from ...analysis.redundancy import redundancy
from ...checkpoints.reading import read_checkpoint
from ...checkpoints.weights import aliases_in
from ...checkpoints.writing import write_text
from .card_page import markdown, page


def write_card(content: Dict[str, Any], model: str, out: str) -> Dict[str, Any]:
    """Write card.md, card.html, card.json and the figures into ``out``.

    Args:
        model: the pruned checkpoint.
    Returns:
        ``content``, with the sparsity of the model and of its classes.
    """
    tables = _tables(model)
    classes = tables["classes"]
    weights, kept = (sum(row[key] for row in classes) for key in ("weights", "kept"))
    content = {**content, "sparsity": 1 - kept / weights, "classes": classes}
    drawn = _draw(content, tables, out)
    write_text(os.path.join(out, "card.md"), markdown(content, drawn))
    write_text(os.path.join(out, "card.html"), page(content, out, drawn))
    write_text(os.path.join(out, "card.json"), json.dumps(content, indent=1))
    return content


def _tables(model: str) -> Dict[str, Any]:
    state = read_checkpoint(model)
    return redundancy(matrices(state, aliases_in(state, model), 0.0, None))


def _draw(content: Dict[str, Any], tables: Dict[str, Any], out: str) -> List[str]:
    """Without matplotlib, there are none."""
    try:
        from ...analysis import figures
        from ...analysis.style import drawable, save, style
        from .figures import rounds
    except ImportError:
        return []
    shown = drawable(content)
    dense = math.log2(content["scores"][0]["perplexity"]["dense"])
    with style():
        drawn = {
            "densities": figures.densities(drawable(tables)),
            "rounds": rounds(shown["rounds"], dense),
        }
        drawn = {name: figure for name, figure in drawn.items() if figure is not None}
        for name, figure in drawn.items():
            save(figure, os.path.join(out, name))
    return list(drawn)
