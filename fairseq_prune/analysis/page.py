"""The report as a page."""

import base64
import html
import os
from typing import Any, Dict, List

from .redundancy import GATE_NAMES

#: Words listed on the page; the JSON file has all.
SHOWN_WORDS = 200

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
    title = (
        f"<h2>{html.escape(row['class'])}: {count:,} of {row['words']:,} words pruned whole</h2>"
    )
    if not count:
        return title
    names = row["pruned_words"] or [str(index) for index in row["pruned_rows"]]
    shown = ", ".join(html.escape(name) for name in names[:SHOWN_WORDS])
    more = f" and {count - SHOWN_WORDS:,} more (report.json)" if count > SHOWN_WORDS else ""
    kind = "" if row["pruned_words"] else "rows of the dictionary: "
    return f"{title}<p>{kind}{shown}{more}</p>"
