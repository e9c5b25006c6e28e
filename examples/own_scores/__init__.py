"""Scores of one's own, for ``--user-dir examples/own_scores``: those of the studies in
docs/scores.md that are no part of the package.

``counts-of-fisher`` and ``counts-of-magnitude`` tell apart how many weights each class keeps and
which; ``wanda`` and ``layerwise`` look at what goes into each layer.
"""

from .layer_inputs import LayerInputs, moments_of
from .transplant import transplanted

__all__ = ["LayerInputs", "moments_of", "transplanted"]
