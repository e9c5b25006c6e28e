"""The fastest product for the shapes in use, by trying."""

import logging
import statistics
import time
from typing import Any, Callable, Dict, List, Optional

from torch import Tensor

from .products import KINDS, Product
from .weight import Weight, source_of

logger = logging.getLogger("fairseq_prune")

#: Nanoseconds for a weight that is kept, as sparse fp32, and for any weight, as dense int8, five
#: columns, on one AVX2 core; what counts is their ratio (python -m benchmarks --only products).
SPARSE_NS, INT8_NS = 0.46, 0.14
#: Seconds to spend on each kind at most, and calls of each at least.
SECONDS, ROUNDS = 0.05, 3


class Auto:
    """A product that becomes the fastest kind at its first use, for what it multiplies there.

    Until then nothing of the matrix need be in memory; from then on one kind is.
    """

    def __init__(self, weights: List[Weight], name: str):
        self._weights, self.name = weights, name
        self._product: Optional[Product] = None
        self.kind: Optional[str] = None

    def __call__(self, x: Tensor) -> Tensor:
        return self.chosen(lambda product: product(x), f"{len(x)} columns")(x)

    def chosen(self, use: Callable[[Product], Any], size: str) -> Product:
        """The product; the one that ``use`` takes least time with, if none has been chosen yet.

        Args:
            size: of what it multiplies there, for the log.
        """
        return self._product or self._choose(use, size)

    def dense(self) -> Tensor:
        return (self._product or KINDS["dense"](self._weights)).dense()

    def take(self, kind: str) -> Product:
        """Become ``kind``, as chosen before."""
        return self._become(kind, KINDS[kind](self._weights))

    def _become(self, kind: str, product: Product) -> Product:
        self.kind, self._product, self._weights = kind, product, []
        return product

    def settled(self) -> Product:
        """The product; chosen by what is kept and what its kernel costs, if none has been yet: for
        an engine that runs the whole search."""
        if self._product is not None:
            return self._product
        kept = sum(source_of(weight).kept() for weight in self._weights)
        total = sum(weight.shape.numel() for weight in self._weights)
        return self.take("sparse" if kept * SPARSE_NS < total * INT8_NS else "int8")

    @property
    def nbytes(self) -> int:
        """0 before it is chosen."""
        return 0 if self._product is None else self._product.nbytes

    def _choose(self, use: Callable[[Product], Any], size: str) -> Product:
        products = {kind: make(self._weights) for kind, make in KINDS.items()}
        seconds = time_in_turn(products, use)
        best = min(seconds, key=seconds.__getitem__)
        shape = f"{self._weights[0].shape[0]} x {sum(w.shape[1] for w in self._weights)}"
        times = ", ".join(f"{kind} {1000 * s:.3f} ms" for kind, s in seconds.items())
        logger.info(f"{self.name} ({shape}, {size}): {best} of {times}")
        return self._become(best, products[best])


def time_in_turn(products: Dict[str, Product], use: Callable[[Product], Any]) -> Dict[str, float]:
    """Median seconds of ``use`` of each product, taken in turn so that each finds the caches as
    cold."""
    times: Dict[str, list] = {kind: [] for kind in products}
    for product in products.values():
        use(product)  # the first call sets things up
    end = time.perf_counter() + SECONDS * len(products)
    while time.perf_counter() < end or len(times["dense"]) < ROUNDS:
        for kind, product in products.items():
            started = time.perf_counter()
            use(product)
            times[kind].append(time.perf_counter() - started)
    return {kind: statistics.median(seconds) for kind, seconds in times.items()}
