"""What can be known to be wrong before hours of training."""

import glob
import os

from ..analysis.generate_options import check_options
from ..pruning import PruneError
from .grid import Grid
from .scorer import read_references


def check_evaluation(grid: Grid) -> None:
    """Raise PruneError unless the data is there and what to score it by can be read."""
    folder = grid.data.split(os.pathsep)[0]
    if not os.path.isdir(folder):
        raise PruneError(f"data: there is no folder {folder}; name the one with binarised data")
    subsets = ["valid"]
    if grid.evaluate["generate"] is not None:
        subsets.append("test")
        check_options(grid.evaluate["generate"])
        if grid.evaluate["references"] is not None:
            read_references(grid.evaluate["references"])
    for key in subsets:
        name = grid.evaluate[key]
        if not glob.glob(os.path.join(glob.escape(folder), glob.escape(name) + "*")):
            raise PruneError(f"evaluate: {key}: {name}: {folder} has no such subset")
