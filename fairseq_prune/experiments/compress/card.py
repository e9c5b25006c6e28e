"""The model card: what a compressed model is, how good, how fast, and how it was made."""

import json
import math
import os
import shlex
from typing import Any, Dict, List, Sequence, Tuple

from ...analysis.html import document, element, picture, table
from ...analysis.matrices import matrices
from ...analysis.redundancy import redundancy
from ...checkpoints.reading import read_checkpoint
from ...checkpoints.weights import aliases_in
from ...checkpoints.writing import write_text
from ...pruning import printable

#: A difference is called significant below this, as sacrebleu marks it.
SIGNIFICANT = 0.05
CAPTIONS = {
    "densities": "What is left of each weight class.",
    "rounds": "Validation loss in each round of retraining.",
}
TITLE = "Model card"
Table = Tuple[Sequence[str], List[Sequence[str]]]


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


def markdown(content: Dict[str, Any], figures: List[str]) -> str:
    """The card as a text."""
    lines = [f"# {TITLE}", "", _line(summary(content)), ""]
    for title, (head, rows) in _sections(content):
        lines += [f"## {title}", "", _row(head), _row(["---"] * len(head))]
        lines += [*map(_row, rows), ""]
        if title == "Scores":
            lines += [*(f"{_line(note)}\n" for note in notes(content))]
    lines += [f"![{CAPTIONS[name]}]({name}.png)\n" for name in figures]
    lines += ["## The commands", "", "```", *map(_line, commands(content)), "```", ""]
    lines += [_line(_versions(content)), ""]
    return "\n".join(lines)


def page(content: Dict[str, Any], out: str, figures: List[str]) -> str:
    """The card as HTML that needs no other file."""
    parts = [element("p", summary(content))]
    for title, (head, rows) in _sections(content):
        parts += [element("h2", title), table(head, rows)]
        if title == "Scores":
            parts += [element("p", note) for note in notes(content)]
    parts += [picture(os.path.join(out, f"{name}.png"), CAPTIONS[name]) for name in figures]
    parts += [
        element("h2", "The commands"),
        *(element("p", element("code", command)) for command in commands(content)),
        element("p", _versions(content)),
    ]
    return document(TITLE, parts)


def summary(content: Dict[str, Any]) -> str:
    sizes = content["sizes"]
    times, bigger = sizes["dense"] / sizes["packed"], sizes["packed"] / sizes["dense"]
    bytes_ = f"{times:.1f} times fewer" if times >= 1 else f"{bigger:.1f} times as many"
    mean = "the mean of its last epochs" if content["averaged"] else "its best epoch"
    return (
        f"{content['checkpoint']}, pruned to {100 * content['sparsity']:.2f}% in "
        f"{content['kept']} round{'s' * (content['kept'] > 1)} and packed: "
        f"{bytes_} bytes. Recipe {content['recipe']}: it {content['about']}. Of the "
        f"last round, {mean} was kept."
    )


def _sections(content: Dict[str, Any]) -> List[Tuple[str, Table]]:
    return [
        ("Sizes", _sizes(content)),
        ("Scores", scores_table(content)),
        ("Speed", _speed(content)),
        ("Rounds", _rounds(content)),
        ("Weight classes", _classes(content)),
    ]


def _sizes(content: Dict[str, Any]) -> Table:
    sizes = content["sizes"]
    rows = [
        ("weights of the dense model", sizes["dense"]),
        ("its checkpoint", sizes["checkpoint"]),
        ("checkpoint_best.pt, pruned", sizes["pruned_checkpoint"]),
        ("model.packed", sizes["packed"]),
    ]
    shares = [f"{100 * size / sizes['dense']:.1f}%" for _, size in rows]
    cells = [(name, f"{size:,}", share) for (name, size), share in zip(rows, shares)]
    return ("", "bytes", "of the dense weights"), cells


def scores_table(content: Dict[str, Any]) -> Table:
    rows = []
    for found in content["scores"]:
        for d in found["differences"]:
            first, second = d["intervals"]
            rows.append(
                (
                    f"{found['subset']}, {d['metric']}",
                    f"{d['baseline']:.2f} ± {first:.2f}",
                    f"{d['system']:.2f} ± {second:.2f}",
                    f"{d['system'] - d['baseline']:+.2f}",
                    f"{d['p']:.4f}",
                )
            )
        dense, packed = (found["perplexity"][name] for name in ("dense", "packed"))
        change = f"{packed - dense:+.3f}"
        rows.append(
            (f"{found['subset']}, perplexity", f"{dense:.3f}", f"{packed:.3f}", change, "-")
        )
    return ("", "dense", "packed", "change", "p"), rows


def notes(content: Dict[str, Any]) -> List[str]:
    """What is to be said of the scores."""
    found = []
    for score in content["scores"]:
        for d in score["differences"]:
            significant = "is" if d["p"] < SIGNIFICANT else "is not"
            found.append(
                f"{score['subset']}: the difference in {d['metric']} {significant} significant at "
                f"{SIGNIFICANT:.0%} (paired bootstrap). {d['signature']}"
            )
        if "identical" in score:
            found.append(
                f"{score['subset']}: {score['identical']} of {score['sentences']} translations are "
                f"identical."
            )
    if content["max_loss"] is not None:
        losses = ", ".join(f"{loss:+.2f}" for loss in content["losses"])
        found.append(
            f"At most {content['max_loss']:g} {content['metric']} was to be lost on the validation "
            f"set; the rounds lost {losses}."
        )
    return found


def _speed(content: Dict[str, Any]) -> Table:
    speeds = content["speeds"]
    ratio = speeds["packed"] / speeds["dense"]
    name = (
        f"{speeds['unit']} a second, one at a time ({speeds['count']} of {speeds['subset']}, CPU, "
        f"{speeds['threads']} threads)"
    )
    return ("", "dense", f"packed, runtime {speeds['runtime']}", "ratio"), [
        (name, f"{speeds['dense']:.1f}", f"{speeds['packed']:.1f}", f"{ratio:.2f}")
    ]


def _rounds(content: Dict[str, Any]) -> Table:
    rows = []
    for r, found in enumerate(content["rounds"], start=1):
        losses = [v["loss"] for v in found["validations"]]
        rows.append(
            (
                f"{r}{' (kept)' if r == content['kept'] else ''}",
                f"{100 * found['sparsity']:.4g}%",
                str(len(losses)),
                f"{min(losses):.3f}" if losses else "-",
                f"{found['seconds']:.0f}",
            )
        )
    return ("round", "sparsity", "epochs", "least loss (bits a token)", "seconds"), rows


def _classes(content: Dict[str, Any]) -> Table:
    rows = [
        (
            row["class"], f"{row['weights']:,}", f"{row['kept']:,}",
            f"{100 * (1 - row['density']):.2f}%",
        )
        for row in content["classes"]
    ]  # fmt: skip
    return ("weight class", "weights", "kept", "pruned"), rows


def commands(content: Dict[str, Any]) -> List[str]:
    """What makes the model again: in one command, and in its parts."""
    found = [content["argv"], *(r["command"] for r in content["rounds"])]
    if content["averaged"]:
        found.append(content["average"])
    found.append(content["pack"])
    return [" ".join(map(shlex.quote, command)) for command in found]


def _versions(content: Dict[str, Any]) -> str:
    return ", ".join(f"{name} {version}" for name, version in content["versions"].items())


def _line(text: str) -> str:
    return printable(text)


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(_line(cell).replace("|", "\\|") for cell in cells) + " |"
