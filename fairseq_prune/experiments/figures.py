"""Figures 3, 6 and 7 of See et al. 2016, of a grid's results."""

import math
from typing import Any, Dict, List, Optional, Tuple

from ..analysis.style import COLOURS, DASHES, MARKERS, plt
from ..pruning import SCHEMES
from .points import KIND_NAMES, KINDS, STEPS

#: Of a line: colour and marker, and dash.
Look = Tuple[int, int]
LABELS = {"bleu": "BLEU on {test}", "perplexity": "perplexity on {valid}"}


def _schemes(rows: List[Dict[str, Any]]) -> List[str]:
    """The schemes in their order, then those of ``rows`` that are not listed (n:m)."""
    return list(dict.fromkeys([*SCHEMES, *(row["scheme"] for row in rows if row["scheme"])]))


def schemes(rows: List[Dict[str, Any]], names: Dict[str, str]):
    """Each scheme's BLEU and perplexity by sparsity, pruned and not retrained (Figure 3).

    Where there are several scores, a row of panels a scheme, and a line a score.

    Args:
        rows: as ``summarise`` returns them.
        names: "valid" and "test" -> name of the subset.
    Returns:
        the figure, or None where there are no such points.
    """
    pruned = [row for row in rows if row["kind"] == "pruned"]
    by_scheme: Dict[str, Dict[str, List[Dict[str, Any]]]] = {}
    for name in _schemes(pruned):
        scheme, _, rest = name.partition(", ")
        of_name = [row for row in pruned if row["scheme"] == name]
        if of_name:
            by_scheme.setdefault(scheme, {})[rest or "by magnitude"] = of_name
    if all(list(lines) == ["by magnitude"] for lines in by_scheme.values()):
        panels = [("", {scheme: lines["by magnitude"] for scheme, lines in by_scheme.items()})]
        return _curves(panels, rows, names, _looks(_schemes(rows)))
    scores = list(dict.fromkeys(name for lines in by_scheme.values() for name in lines))
    return _curves(list(by_scheme.items()), rows, names, _looks_of_scores(scores))


def kinds(rows: List[Dict[str, Any]], names: Dict[str, str]):
    """Pruned, retrained and sparse from the start, by sparsity (Figure 6); a row a scheme."""
    panels = []
    for scheme in _schemes(rows):
        lines = {
            KIND_NAMES[kind]: [r for r in rows if r["kind"] == kind and r["scheme"] == scheme]
            for kind in KINDS[1:]
        }
        lines = {name: line for name, line in lines.items() if line}
        if set(lines) - {KIND_NAMES["pruned"]}:
            panels.append((scheme, lines))
    return _curves(panels, rows, names, _looks([KIND_NAMES[kind] for kind in KINDS[1:]]))


def _looks(names: List[str]) -> Dict[str, Look]:
    """One by one."""
    return {name: (k, k) for k, name in enumerate(names)}


def _looks_of_scores(names: List[str]) -> Dict[str, Look]:
    """A colour a score, however many its steps, which have a dash each; scores in their order."""
    score = {name: STEPS.sub("", name) for name in names}
    steps = {name: int((STEPS.search(name) or [0, 1])[1]) for name in names}
    scores = list(dict.fromkeys(score.values()))
    dashes = sorted(set(steps.values()))
    looks = {n: (scores.index(score[n]), dashes.index(steps[n])) for n in names}
    return dict(sorted(looks.items(), key=lambda item: item[1]))


def _curves(panels, rows, names, looks: Dict[str, Look]):
    """Panels of (title, name -> rows): BLEU where measured, and perplexity, against sparsity.

    A row a panel; a few of one metric only are side by side.
    """
    if not any(lines for _, lines in panels):
        return None
    dense = next((row for row in rows if row["kind"] == "dense"), None)
    drawn = [row for _, lines in panels for line in lines.values() for row in line]
    metrics = [m for m in ("bleu", "perplexity") if any(row[m] for row in drawn)]
    beside = len(metrics) == 1 and len(panels) <= 3
    height, width = (1, len(panels)) if beside else (len(panels), len(metrics))
    figure, axes = plt.subplots(
        height, width, figsize=(4.6 * width, 3.1 * height), sharex="all",
        sharey="all" if beside else "col", squeeze=False,
    )  # fmt: skip
    shown: Dict[str, Any] = {}
    for (title, lines), line_axes in zip(panels, axes.reshape(len(panels), len(metrics))):
        for metric, ax in zip(metrics, line_axes):
            if dense and dense[metric]:
                shown["dense"] = ax.axhline(
                    dense[metric]["mean"], color=COLOURS[-1], linewidth=0.8, linestyle="--"
                )
            for name, line in lines.items():
                shown[name] = _line(ax, line, metric, looks[name])
            if metric == "perplexity":
                ax.set_yscale("log")
            ax.set_xlabel("weights pruned (%)")
            ax.set_ylabel(LABELS[metric].format(**names))
            ax.set_title(title, loc="left")
    # when all is drawn: a limit that is set stays, for all that share the axis
    for metric, ax in zip(metrics, axes.reshape(len(panels), len(metrics))[0]):
        # of perplexities matplotlib would take the logarithms of error bars for values
        means = [row[metric]["mean"] for row in [*drawn, dense or drawn[0]] if row[metric]]
        ax.set_ylim(bottom=0 if metric == "bleu" else min(means) / 1.5)
    listed = [name for name in ["dense", *looks] if name in shown]
    figure.legend(
        [shown[name] for name in listed], listed, ncol=min(4, len(shown)), loc="lower center",
        bbox_to_anchor=(0.5, 1.0),
    )  # fmt: skip
    figure.tight_layout()
    return figure


def _line(ax, rows: List[Dict[str, Any]], metric: str, look: Look):
    rows = sorted((row for row in rows if row[metric]), key=lambda row: row["sparsity"])
    deviations = [row[metric]["deviation"] for row in rows]
    k = look[0]
    known = [math.nan if deviation is None else deviation for deviation in deviations]
    return ax.errorbar(
        [100 * row["sparsity"] for row in rows],
        [row[metric]["mean"] for row in rows],
        yerr=None if all(d is None for d in deviations) else known,
        color=COLOURS[k % 7], marker=MARKERS[k % 8], linestyle=DASHES[look[1] % 3], markersize=4,
        capsize=2.5, linewidth=1.4,
    )  # fmt: skip


def losses(records: List[Dict[str, Any]]):
    """Validation loss through training, pruning and retraining (Figure 7), of the first seed.

    Args:
        records: as in results.jsonl.
    Returns:
        the figure, or None where no retraining was logged.
    """
    seeds = [r["seed"] for r in records if r["kind"] == "retrained" and r.get("history")]
    if not seeds:
        return None
    of_seed = [r for r in records if r["seed"] == seeds[0]]
    retrained = [r for r in of_seed if r["kind"] == "retrained" and r.get("history")]
    dense = next((r for r in of_seed if r["kind"] == "dense"), None)
    history = (dense or {}).get("history") or []
    end = history[-1]["updates"] if history else 0
    # as the trainings validate, which may leave out sentences that the scores have
    best = min((v["loss"] for v in history), default=_bits((dense or {}).get("perplexity")))
    figure, ax = plt.subplots(figsize=(7, 3.6))
    if history:
        ax.plot(*_places(history), color=COLOURS[-1], label="dense")
    if best is not None:
        ax.axhline(best, color=COLOURS[-1], linewidth=0.8, linestyle=":", label="best dense")
    ax.axvline(end, color="#888888", linewidth=0.8, linestyle="--", label="pruned")
    several = len({r["scheme"] for r in retrained}) > 1
    order = _schemes(retrained)
    retrained.sort(key=lambda r: (order.index(r["scheme"]), r["sparsity"]))
    for k, record in enumerate(retrained):
        x, y = _places(record["history"], end)
        start = _bits(record.get("pruned_perplexity"))
        if start is not None:
            x, y = [end, *x], [start, *y]
        name = f"{record['scheme']} " if several else ""
        ax.plot(
            x, y, color=COLOURS[k % 7], linestyle=DASHES[k // 7 % 3], marker=MARKERS[k % 8],
            markersize=3, label=f"retrained {name}{100 * record['sparsity']:g}%",
        )  # fmt: skip
    ax.set_xlabel("updates")
    ax.set_ylabel("validation loss (bits a token)")
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def _places(history: List[Dict[str, float]], start: int = 0):
    return [start + v["updates"] for v in history], [v["loss"] for v in history]


def _bits(perplexity: Optional[float]) -> Optional[float]:
    return math.log2(perplexity) if perplexity and math.isfinite(perplexity) else None
