"""``fairseq-prune report``: one page, its figures, and every number in it."""

import json
import os
from typing import Any, Callable, Dict, Optional

from ..checkpoints.prune_file import Choose
from ..checkpoints.reading import read_checkpoint
from ..checkpoints.weights import aliases_in, find_record, prunable_weights
from ..checkpoints.writing import write_text
from ..loading.evaluation import batches_of, load_model
from ..parameters.weight_classes import fairseq_classes
from ..pruning import PruneError, check_request, method_in
from .diagonal import diagonals
from .distributions import distributions
from .language_model import perplexity
from .matrices import matrices, read_words
from .page import page
from .ranking import BY_MAGNITUDE, Ranking
from .redundancy import redundancy
from .sensitivity import sensitivity


def report(
    checkpoint: str,
    out: str,
    sparsity: float = 0.8,
    data: Optional[str] = None,
    subset: str = "valid",
    breakdown_sparsity: float = 0.9,
    choose: Optional[Choose] = None,
    method: str = "class-blind",
    rank: Callable[[], Ranking] = lambda: BY_MAGNITUDE,
) -> Dict[str, Any]:
    """Analyse ``checkpoint`` and write report.html, report.json and figures into ``out``.

    Args:
        sparsity: what a dense checkpoint is looked at as pruned to; one that is pruned is
            looked at as it is.
        data: folder of binarised data: its dictionaries name the words, and the perplexity
            on its ``subset`` is what pruning each class alone, as at ``breakdown_sparsity``,
            is judged by.
        choose: what a dense checkpoint is looked at as pruned by, and ``method`` what that is
            called; None: class-blind magnitude.
        rank: gives what all schemes are compared by, where they are.
    Returns:
        What report.json holds.
    Raises:
        PruneError: a file cannot be read or written.
    """
    check_request("class-blind", sparsity)
    try:
        from . import figures
        from .figure_remaining import remaining
        from .style import drawable, save, style
    except ImportError as error:
        raise PruneError("report draws with matplotlib: pip install matplotlib") from error
    state = read_checkpoint(checkpoint)
    record = find_record(state)
    if not (record and record["masks"]):
        record = None  # of a run that has not pruned
    pruned = record is not None
    aliases = aliases_in(state, checkpoint)
    prunable = matrices(state, aliases, sparsity, choose)
    weights = prunable_weights(state, aliases)
    tables = redundancy(prunable)
    for row in tables["words"]:
        row["pruned_words"] = read_words(data, state, row["dictionary"], row["pruned_rows"])
    content: Dict[str, Any] = {
        "checkpoint": checkpoint,
        "pruned": pruned,
        "sparsity": sparsity if record is None else record["sparsity"],
        "scheme": method if record is None else method_in(record),
        "redundancy": tables,
        "diagonals": diagonals(prunable),
    }
    shares = distributions(
        weights, fairseq_classes(weights, aliases), *((None,) if pruned else (sparsity, rank()))
    )
    content["magnitudes" if shares["score"] == "magnitude" else "scores"] = shares
    if data is not None:
        model, task = load_model(checkpoint, data, [subset])
        batches = batches_of(model, task, subset)
        ranking = rank()
        before, rows = sensitivity(
            model, lambda: perplexity(model, batches), breakdown_sparsity, ranking
        )
        content["sensitivity"] = {
            "subset": subset,
            "score": ranking.name,
            "sparsity": breakdown_sparsity,
            "perplexity": before,
            "rows": rows,
        }
    try:
        os.makedirs(out, exist_ok=True)
        shown = drawable(content)
        tables = shown["redundancy"]
        with style():
            drawn = {
                "remaining": remaining(prunable),
                "densities": figures.densities(tables),
                "distributions": figures.distributions(
                    shown.get("scores") or shown["magnitudes"], None if pruned else sparsity
                ),
            }
            if tables["words"]:
                drawn["frequency"] = figures.frequency(tables["words"])
            if shown["diagonals"]:
                drawn["diagonals"] = figures.diagonal_effect(shown["diagonals"])
            if "sensitivity" in shown:
                rows = shown["sensitivity"]["rows"]
                drawn["breakdown"] = figures.breakdown(rows, breakdown_sparsity)
                drawn["largest_deleted"] = figures.largest_deleted(rows)
            for name, figure in drawn.items():
                save(figure, os.path.join(out, name))
        write_text(os.path.join(out, "report.json"), json.dumps(content, indent=1))
        write_text(os.path.join(out, "report.html"), page(content, out, list(drawn)))
    except OSError as error:
        raise PruneError(f"--out {out} cannot be written: {error.strerror or error}") from error
    return content
