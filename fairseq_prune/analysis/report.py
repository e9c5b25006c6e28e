"""``fairseq-prune report``: one page, its figures, and every number in it."""

import base64
import html
import json
import os
from typing import Any, Dict, List, Optional

from ..checkpoints.safe_io import read_checkpoint
from ..checkpoints.weights import find_record, prunable_weights
from ..models.weight_classes import fairseq_classes
from ..pruning import PruneError, check_request
from .diagonal import diagonals
from .magnitudes import magnitudes
from .matrices import matrices
from .perplexity import load_for_evaluation, perplexity
from .redundancy import GATE_NAMES, redundancy
from .sensitivity import sensitivity
from .vocabulary import read_words

#: Words listed on the page; the JSON file has all.
SHOWN_WORDS = 200


def report(
    checkpoint: str,
    out: str,
    sparsity: float = 0.8,
    data: Optional[str] = None,
    subset: str = "valid",
    breakdown_sparsity: float = 0.9,
) -> Dict[str, Any]:
    """Analyse ``checkpoint`` and write report.html, report.json and figures into ``out``.

    Args:
        sparsity: what a dense checkpoint is looked at as pruned to, class-blind; one that is
            pruned is looked at as it is.
        data: folder of binarised data: its dictionaries name the words, and the perplexity
            on its ``subset`` is what pruning each class alone, as at ``breakdown_sparsity``,
            is judged by.
    Returns:
        What report.json holds.
    Raises:
        PruneError: a file cannot be read or written.
    """
    check_request("class-blind", sparsity, flags="--")
    try:
        from . import figures
    except ImportError as error:
        raise PruneError("report draws with matplotlib: pip install matplotlib") from error
    state = read_checkpoint(checkpoint)
    record = find_record(state)
    pruned = bool(record and record["masks"])
    found = matrices(state, sparsity)
    weights = prunable_weights(state)
    tables = redundancy(found)
    for row in tables["words"]:
        row["pruned_words"] = read_words(data, state, row["dictionary"], row["pruned_rows"])
    content: Dict[str, Any] = {
        "checkpoint": checkpoint,
        "pruned": pruned,
        "sparsity": record["sparsity"] if pruned else sparsity,
        "scheme": record["scheme"] if pruned else "class-blind",
        "redundancy": tables,
        "diagonals": diagonals(found),
        "magnitudes": magnitudes(weights, fairseq_classes(weights), None if pruned else sparsity),
    }
    if data is not None:
        model, _, batches = load_for_evaluation(checkpoint, data, subset)
        before, rows = sensitivity(model, lambda: perplexity(model, batches), breakdown_sparsity)
        content["sensitivity"] = {
            "subset": subset,
            "sparsity": breakdown_sparsity,
            "perplexity": before,
            "rows": rows,
        }
    try:
        os.makedirs(out, exist_ok=True)
        with figures.style():
            drawn = {
                "remaining": figures.remaining(found),
                "densities": figures.densities(tables),
                "distributions": figures.distributions(
                    content["magnitudes"], None if pruned else sparsity
                ),
            }
            if content["diagonals"]:
                drawn["diagonals"] = figures.diagonal_effect(content["diagonals"])
            if "sensitivity" in content:
                drawn["breakdown"] = figures.breakdown(rows, breakdown_sparsity)
                drawn["largest_deleted"] = figures.largest_deleted(rows)
            for name, figure in drawn.items():
                for kind in ("png", "svg"):
                    figure.savefig(os.path.join(out, f"{name}.{kind}"))
                figures.plt.close(figure)
        _write(os.path.join(out, "report.json"), json.dumps(content, indent=1))
        _write(os.path.join(out, "report.html"), _page(content, out, list(drawn)))
    except OSError as error:
        raise PruneError(f"--out {out} cannot be written: {error.strerror or error}") from error
    return content


def _write(path: str, text: str) -> None:
    with open(path + ".tmp", "w", encoding="utf-8") as f:
        f.write(text)
    os.replace(path + ".tmp", path)


CAPTIONS = {
    "remaining": "Which weights remain (as Figure 8 of See et al. 2016): white kept, black pruned. "
    "Matrices of words lie on their side and share a scale; so do the others.",
    "densities": "What is left, by weight class, LSTM gate and LSTM input (section 4.5).",
    "distributions": "Magnitudes by weight class, and where each scheme cuts (section 3.3).",
    "breakdown": "Perplexity increase when each class is pruned alone, of what each scheme would "
    "take from it (Figure 4).",
    "largest_deleted": "Largest deleted weight against perplexity increase, class-uniform "
    "(Figure 5).",
    "diagonals": "Mean magnitude on the diagonals of square blocks against off them.",
}


def _page(content: Dict[str, Any], out: str, figures: List[str]) -> str:
    tables = content["redundancy"]
    how = (
        f"pruned {content['scheme']} to {100 * content['sparsity']:g}%"
        if content["pruned"]
        else f"dense; looked at as pruned {content['scheme']} to {100 * content['sparsity']:g}%"
    )
    parts = [
        "<!doctype html><meta charset='utf-8'><title>Redundancy</title>",
        "<style>body{font:14px/1.5 sans-serif;max-width:62em;margin:2em auto;padding:0 1em}"
        "img{max-width:100%}table{border-collapse:collapse;margin:1em 0}"
        "td,th{padding:.1em .8em;text-align:right;border-bottom:1px solid #ddd}"
        "td:first-child,th:first-child{text-align:left}figcaption{color:#444}</style>",
        f"<h1>Where the redundancy is</h1><p>{html.escape(content['checkpoint'])}: {how}.</p>",
    ]
    for name in figures:
        with open(os.path.join(out, f"{name}.png"), "rb") as f:
            data = base64.b64encode(f.read()).decode()
        caption = html.escape(CAPTIONS[name])
        parts.append(
            f"<figure><img alt='{caption}' src='data:image/png;base64,{data}'>"
            f"<figcaption>{caption}</figcaption></figure>"
        )
    for title, key, columns in (
        ("By weight class", "classes", ("class",)),
        ("By LSTM gate", "gates", ("gate",)),
        ("By LSTM input", "inputs", ("input",)),
        ("By LSTM layer, gate and input", "layers", ("class", "gate", "input")),
    ):
        if tables[key]:
            parts.append(f"<h2>{title}</h2>{_table(tables[key], columns)}")
    if tables["gate_order"]:
        order = " &gt; ".join(GATE_NAMES[gate] for gate in tables["gate_order"])
        parts.append(f"<p>From the densest: {order}.</p>")
    if "sensitivity" in content:
        parts.append(_sensitivity(content["sensitivity"]))
    for row in tables["words"]:
        parts.append(_words(row))
    return "\n".join(parts)


def _table(rows: List[Dict[str, Any]], columns) -> str:
    head = "".join(f"<th>{c}</th>" for c in (*columns, "weights", "kept", "density"))
    body = []
    for row in rows:
        cells = [html.escape(GATE_NAMES.get(row[c], row[c])) for c in columns]
        cells += [f"{row['weights']:,}", f"{row['kept']:,}", f"{100 * row['density']:.2f}%"]
        body.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    return f"<table><tr>{head}</tr>{''.join(body)}</table>"


def _sensitivity(found: Dict[str, Any]) -> str:
    head = "".join(
        f"<th>{c}</th>"
        for c in ("scheme", "class", "pruned", "largest pruned", "perplexity", "increase")
    )
    body = []
    for row in found["rows"]:
        largest = "-" if row["largest_pruned"] is None else f"{row['largest_pruned']:.4f}"
        cells = [row["scheme"], html.escape(row["class"]), f"{row['pruned']:,}", largest]
        cells += [f"{row['perplexity']:.2f}", f"{row['increase']:+.2f}"]
        body.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    return (
        f"<h2>Each class pruned alone, as at {100 * found['sparsity']:g}%</h2>"
        f"<p>Perplexity on {html.escape(found['subset'])}, unpruned: {found['perplexity']:.2f}.</p>"
        f"<table><tr>{head}</tr>{''.join(body)}</table>"
    )


def _words(row: Dict[str, Any]) -> str:
    count = len(row["pruned_rows"])
    title = f"{row['class']}: {count:,} of {row['words']:,} words pruned whole"
    names = row["pruned_words"] or [str(index) for index in row["pruned_rows"]]
    shown = ", ".join(html.escape(name) for name in names[:SHOWN_WORDS])
    more = f" and {count - SHOWN_WORDS:,} more (report.json)" if count > SHOWN_WORDS else ""
    kind = "" if row["pruned_words"] else "rows of the dictionary: "
    return (
        f"<h2>{html.escape(title)}</h2><p>{kind}{shown}{more}</p>"
        if count
        else (f"<h2>{html.escape(title)}</h2>")
    )
