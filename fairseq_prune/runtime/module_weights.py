"""The weights of a model with product modules, as the engine takes them."""

import ctypes
from typing import Dict, Hashable, Tuple, Union

import numpy as np
from torch import Tensor, nn

from ..engine.library import check, library
from ..engine.matrix import Matrix
from ..engine.model import Weights
from ..engine.stored import DENSE_ABOVE
from .auto import Auto
from .engine_products import EngineProduct, stored_tensor
from .modules import ProductModule


class ModuleWeights(Weights):
    """Matrices that products have are shared with them; what torch has is read once more."""

    def __init__(self, model: nn.Module):
        self._weights: Dict[str, Union[Matrix, Tensor]] = {}
        # a tied softmax is the embedding's parameter, under another name
        for name, module in model.named_modules(remove_duplicate=False):
            prefix = f"{name}." if name else ""
            own = {**module._parameters, **module._buffers}
            weights = {k: tensor.detach() for k, tensor in own.items() if tensor is not None}
            if isinstance(module, ProductModule):
                weights.update(_matrices(module))
            self._weights.update({prefix + k: weight for k, weight in weights.items()})
        self.names = set(self._weights)

    def state(self) -> Tuple[Hashable, ...]:
        """What changes when a weight does."""
        return tuple(map(self.key, sorted(self.names)))

    def key(self, name: str) -> Hashable:
        weight = self._weights[name]
        if isinstance(weight, Matrix):
            return id(weight)
        return weight.data_ptr(), weight.shape, weight.stride(), weight._version

    def put(self, handle: ctypes.c_void_p, part: bytes, name: str, gates: int) -> None:
        weight = self._weights[name]
        if isinstance(weight, Matrix):
            check(library().engine_take(handle, part, weight.handle, gates))
            return
        stored, _kept = stored_tensor(weight)
        check(library().engine_matrix(handle, part, ctypes.byref(stored), gates, DENSE_ABOVE))

    def vector(self, name: str) -> np.ndarray:
        weight = self._weights[name]
        assert isinstance(weight, Tensor), "products have matrices alone"
        return weight.float().numpy()


def _matrices(module: ProductModule) -> Dict[str, Union[Matrix, Tensor]]:
    """A product module's matrices by the names that torch's module has."""
    matrices: Dict[str, Union[Matrix, Tensor]] = {}
    for names in module.groups:
        product = module.products[names[0]]
        if isinstance(product, Auto):
            product = product.settled()
        if isinstance(product, EngineProduct):
            matrices.update(zip(names, product.matrices))
        else:
            widths = [module.shapes[name][1] for name in names]
            matrices.update(zip(names, product.dense().split(widths, dim=1)))
    return matrices
