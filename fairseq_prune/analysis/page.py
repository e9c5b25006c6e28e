"""The report as a page."""

import os
from typing import Any, Dict, List

from .html import Html, document, element, picture, table
from .redundancy import GATE_NAMES

#: Words listed on the page; the JSON file has all.
SHOWN_WORDS = 200

CAPTIONS = {
    "remaining": "Which weights remain (as Figure 8 of See et al. 2016): white kept, black pruned. "
    "Matrices of words lie on their side and share a scale; so do the others.",
    "densities": "What is left, by {parts} (section 4.5).",
    "frequency": "What is left of words' rows, from the most frequent tenth of the dictionary to "
    "the rarest (section 4.5).",
    "distributions": "Weights of each class by {score}, and where each scheme cuts (section 3.3).",
    "breakdown": "Perplexity increase when each class is pruned alone, of what each scheme would "
    "take from it (Figure 4).",
    "largest_deleted": "Largest deleted weight against perplexity increase, class-uniform "
    "(Figure 5).",
    "diagonals": "Mean magnitude on the diagonals of square blocks against off them.",
}


def page(content: Dict[str, Any], out: str, figures: List[str]) -> str:
    """HTML that needs no other file.

    Args:
        content: what report.json holds.
        out: the folder with the figures.
        figures: their names, in order.
    """
    tables = content["redundancy"]
    seen = "" if content["pruned"] else "dense; looked at as "
    how = f"{seen}pruned {content['scheme']} to {100 * content['sparsity']:g}%"
    parts = [element("p", f"{content['checkpoint']}: {how}.")]
    split = "weight class, LSTM gate and LSTM input" if tables["gates"] else "weight class"
    score = (content.get("scores") or content["magnitudes"])["score"]
    parts += [
        picture(os.path.join(out, f"{name}.png"), CAPTIONS[name].format(parts=split, score=score))
        for name in figures
    ]
    for title, key, columns in (
        ("By weight class", "classes", ("class",)),
        ("By LSTM gate", "gates", ("gate",)),
        ("By LSTM input", "inputs", ("input",)),
        ("By LSTM layer and input", "layers", ("class", "input")),
        ("By LSTM layer, gate and input", "blocks", ("class", "gate", "input")),
    ):
        if tables[key]:
            parts += [element("h2", title), _densities(tables[key], columns)]
    if tables["gate_order"]:
        order = " > ".join(GATE_NAMES[gate] for gate in tables["gate_order"])
        parts.append(element("p", f"From the densest: {order}."))
    if "sensitivity" in content:
        parts += _sensitivity(content["sensitivity"])
    for row in tables["words"]:
        parts += _words(row)
    return document("Where the redundancy is", parts)


def _densities(rows: List[Dict[str, Any]], columns) -> Html:
    body = [
        [
            *(GATE_NAMES.get(row[c], row[c]) for c in columns),
            f"{row['weights']:,}",
            f"{row['kept']:,}",
            f"{100 * row['density']:.2f}%",
        ]
        for row in rows
    ]
    return table((*columns, "weights", "kept", "density"), body)


def _sensitivity(costs: Dict[str, Any]) -> List[Html]:
    head = ("scheme", "class", "pruned", "largest pruned", "perplexity", "increase")
    body = []
    for row in costs["rows"]:
        largest = "-" if row["largest_pruned"] is None else f"{row['largest_pruned']:.4f}"
        cells = [row["scheme"], row["class"], f"{row['pruned']:,}", largest]
        if row["perplexity"] is None:
            body.append([*cells, "-", "a whole norm pruned"])
        else:
            body.append([*cells, f"{row['perplexity']:.2f}", f"{row['increase']:+.2f}"])
    return [
        element(
            "h2", f"Each class pruned alone, as at {100 * costs['sparsity']:g}% by {costs['score']}"
        ),
        element("p", f"Perplexity on {costs['subset']}, unpruned: {costs['perplexity']:.2f}."),
        table(head, body),
    ]


def _words(row: Dict[str, Any]) -> List[Html]:
    count = len(row["pruned_rows"])
    title = element("h2", f"{row['class']}: {count:,} of {row['words']:,} words pruned whole")
    if not count:
        return [title]
    names = row["pruned_words"] or [str(index) for index in row["pruned_rows"]]
    shown = ", ".join(names[:SHOWN_WORDS])
    more = f" and {count - SHOWN_WORDS:,} more (report.json)" if count > SHOWN_WORDS else ""
    kind = "" if row["pruned_words"] else "rows of the dictionary: "
    return [title, element("p", f"{kind}{shown}{more}")]
