"""Figure 8 of See et al. 2016: which weights remain, drawn to scale."""

from typing import List, Tuple

import torch
from torch import Tensor

from .matrices import Matrix
from .redundancy import GATE_NAMES
from .style import COLOURS, drawable, plt

#: Cells of a density map along the longer side; more cannot be seen on a page.
CELLS = 1200
#: Inches: width of the figure, height of its tallest panel, room left of each panel, and
#: above and below each line together.
WIDE, TALLEST, GAP, SPACE = 10.0, 4.5, 0.8, 0.8


def remaining(matrices: List[Matrix]):
    """Which weights remain (Figure 8): white kept, black pruned, grey in between.

    Matrices of words lie on their side, words from left to right by frequency, all drawn to
    one scale. So are the others, to another; an LSTM layer as the paper's T (section 3.2),
    a row of blocks for each gate, a column for each input.
    """
    lines = [[[m]] for m in matrices if m.words]
    lines += _fill_lines(_panels([m for m in matrices if not m.words]))
    scales = {True: 0.0, False: 0.0}  # weights an inch, for matrices of words and for others
    for line in lines:
        width = sum(_panel_size(panel)[1] for panel in line)
        height = max(_panel_size(panel)[0] for panel in line) / TALLEST
        room = WIDE - GAP * len(line)
        words = bool(line[0][0].words)
        scales[words] = max(scales[words], width / room, height)
    heights = [
        max(_panel_size(panel)[0] for panel in line) / scales[bool(line[0][0].words)] + SPACE
        for line in lines
    ]
    figure = plt.figure(figsize=(WIDE, sum(heights)))
    top = sum(heights)
    for line, height in zip(lines, heights):
        scale, left = scales[bool(line[0][0].words)], GAP
        for panel in line:
            rows, columns = (length / scale for length in _panel_size(panel))
            box = (left / WIDE, (top - SPACE / 2 - rows) / sum(heights))
            axes = figure.add_axes((*box, columns / WIDE, rows / sum(heights)))
            _draw(axes, panel)
            left += columns + GAP
        top -= height
    return figure


def _panels(matrices: List[Matrix]) -> List[List[Matrix]]:
    """Matrices drawn side by side as one: the two of an LSTM layer; others by themselves."""
    panels: List[List[Matrix]] = []
    for matrix in matrices:
        last = panels[-1][-1] if panels else None
        if (
            last is not None
            and last.subgroups
            and matrix.subgroups
            and (last.weight_class, last.part) == (matrix.weight_class, matrix.part)
            and last.keep.shape[0] == matrix.keep.shape[0]
            and len(panels[-1]) == 1
        ):
            panels[-1].append(matrix)
        else:
            panels.append([matrix])
    return panels


def _fill_lines(panels: List[List[Matrix]]) -> List[List[List[Matrix]]]:
    """Panels in lines of at most four, LSTM layers apart from the rest."""
    lines: List[List[List[Matrix]]] = []
    for panel in panels:
        last = lines[-1] if lines else None
        if last and len(last) < 4 and bool(last[0][0].subgroups) == bool(panel[0].subgroups):
            last.append(panel)
        else:
            lines.append([panel])
    return lines


def _panel_size(panel: List[Matrix]) -> Tuple[int, int]:
    """Rows and columns as drawn."""
    rows, columns = panel[0].keep.shape[0], sum(m.keep.shape[1] for m in panel)
    return (columns, rows) if panel[0].words else (rows, columns)


def _draw(axes, panel: List[Matrix]) -> None:
    first = panel[0]
    rows, columns = _panel_size(panel)
    scale = max(1.0, max(rows, columns) / CELLS)
    left = 0
    for matrix in panel:
        keep = matrix.keep.t() if matrix.words else matrix.keep
        cells = density_map(
            keep, max(1, round(keep.shape[0] / scale)), max(1, round(keep.shape[1] / scale))
        )
        axes.imshow(
            cells.numpy(), cmap="gray", vmin=0, vmax=1, aspect="auto", interpolation="none",
            extent=(left, left + keep.shape[1], rows, 0),
        )  # fmt: skip
        left += keep.shape[1]
    axes.set_xlim(0, columns)
    axes.set_ylim(rows, 0)
    kept, total = sum(int(m.keep.sum()) for m in panel), sum(m.keep.numel() for m in panel)
    names = map(drawable, filter(None, (first.weight_class, first.part)))
    title = "\n".join(names) + f": {100 * kept / total:.1f}% kept"  # panels may be narrow
    axes.set_title(title, loc="left", fontsize=8)
    axes.tick_params(labelsize=6, length=2)
    if first.words:
        axes.set_xlabel("word, by frequency", fontsize=6, labelpad=1)
        axes.set_ylabel("unit", fontsize=6)
    elif first.subgroups:
        places = [(s.start + s.stop) / 2 for s in first.subgroups.values()]
        axes.set_yticks(places, [GATE_NAMES[gate] for gate, _ in first.subgroups])
        for rows_of_gate in list(first.subgroups.values())[1:]:
            axes.axhline(rows_of_gate.start, color=COLOURS[1], linewidth=0.6)
        edges = [0]
        for matrix in panel:
            edges.append(edges[-1] + matrix.keep.shape[1])
        for edge in edges[1:-1]:
            axes.axvline(edge, color=COLOURS[1], linewidth=0.6)
        inputs = [next(iter(m.subgroups))[1] for m in panel]
        axes.set_xticks([(a + b) / 2 for a, b in zip(edges, edges[1:])], inputs)


def density_map(keep: Tensor, rows: int, columns: int) -> Tensor:
    """The fraction kept in each cell of a grid laid over a mask.

    Args:
        keep: bool, two dimensions.
        rows, columns: of the grid at most; a smaller mask is not enlarged.
    Returns:
        float32 in [0, 1]. Cells differ by at most one row and one column in size.
    """
    rows, columns = min(rows, keep.shape[0]), min(columns, keep.shape[1])
    row_edges, column_edges = _edges(keep.shape[0], rows), _edges(keep.shape[1], columns)
    cells = torch.empty(rows, columns, dtype=torch.float32)
    for k in range(rows):
        band = keep[row_edges[k] : row_edges[k + 1]]
        sums = torch.zeros(keep.shape[1] + 1, dtype=torch.int64)
        torch.cumsum(band.sum(dim=0), dim=0, out=sums[1:])
        kept = sums[column_edges[1:]] - sums[column_edges[:-1]]
        size = (column_edges[1:] - column_edges[:-1]) * band.shape[0]
        cells[k] = kept / size
    return cells


def _edges(length: int, cells: int) -> Tensor:
    return torch.arange(cells + 1) * length // cells
