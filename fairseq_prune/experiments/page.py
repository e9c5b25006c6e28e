"""What a grid showed, as a page."""

import os
from typing import Any, Dict, Iterator, List, Sequence

from ..analysis.html import document, element, picture, table
from .points import KIND_NAMES

CAPTIONS = {
    "schemes": "Pruned by each scheme, not retrained (as Figure 3 of See et al. 2016).",
    "ways": "Pruned; pruned and retrained; trained with the pruned model's sparsity from the "
    "start (as Figure 6).",
    "losses": "Validation loss through training, pruning and retraining (as Figure 7).",
}
RESULTS_HEAD = ("", "scheme", "sparsity", "seeds", "BLEU", "perplexity")
STORAGE_HEAD = (
    "sparsity", "weights kept", "dense MB", "CSR MB", "packed MB", "bound MB", "bound / dense",
)  # fmt: skip


def results_rows(rows: List[Dict[str, Any]]) -> Iterator[Sequence[str]]:
    """The cells of the table of results."""
    for row in rows:
        yield (
            KIND_NAMES[row["kind"]],
            row["scheme"] or "",
            f"{100 * row['sparsity']:g}%",
            str(row["seeds"]),
            spread(row["bleu"]),
            spread(row["perplexity"]),
        )


def storage_rows(rows: List[Dict[str, Any]]) -> Iterator[Sequence[str]]:
    """The cells of the storage table: one for each sparsity, class-blind where there is."""
    by_sparsity: Dict[float, Dict[str, Any]] = {}
    for row in sorted(rows, key=lambda row: row["scheme"] != "class-blind"):
        by_sparsity.setdefault(row["sparsity"], row)
    for sparsity, row in sorted(by_sparsity.items()):
        sizes = row["bytes"]
        yield (
            f"{100 * sparsity:g}%",
            f"{row['kept']:,.0f}",
            # results of before there were packed files have no size of one
            *(
                f"{sizes[name] / 1e6:.2f}" if name in sizes else "-"
                for name in ("dense", "csr", "packed", "bound")
            ),
            f"{100 * sizes['bound'] / sizes['dense']:.1f}%",
        )


def spread(metric) -> str:
    """ "33.25", "33.25 ± 0.10", or "-" where it was not measured."""
    if metric is None:
        return "-"
    more = "" if metric["deviation"] is None else f" ± {metric['deviation']:.2f}"
    return f"{metric['mean']:.2f}{more}"


def page(rows: List[Dict[str, Any]], about: Dict[str, Any], out: str, figures: List[str]) -> str:
    """HTML that needs no other file.

    Args:
        rows: as ``summarise`` returns them.
        about: "data", "signature" (of BLEU, or None), "versions".
        out: the folder with the figures.
        figures: their names.
    """
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    parts = [element("p", f"{about['data']}. {versions}.")]
    if about["signature"]:
        parts.append(element("p", f"BLEU: {about['signature']}"))
    parts += [picture(os.path.join(out, f"{name}.png"), CAPTIONS[name]) for name in figures]
    parts += [
        element("h2", "Results"),
        element("p", "± standard deviation over seeds."),
        table(RESULTS_HEAD, results_rows(rows)),
        element("h2", "Storage"),
        element(
            "p",
            "All of the model's parameters in fp32. CSR: compressed sparse rows, an int32 column "
            "beside each kept value. Packed: as ",
            element("code", "fairseq-prune pack"),
            ". Bound: the entropy of the masks and the kept values; no lossless code of "
            "independent positions is smaller.",
        ),
        table(STORAGE_HEAD, storage_rows(rows)),
    ]
    return document("Pruning experiments", parts)
