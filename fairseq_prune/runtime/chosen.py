"""What ``auto`` has chosen: processes that share work are to choose alike."""

from typing import Dict, Iterator, Mapping

from torch import nn

from .auto import Auto
from .modules import ProductModule


def chosen(model: nn.Module) -> Dict[str, str]:
    """Name of each product of ``auto`` that has been used -> its kind."""
    return {product.name: product.kind for product in _products(model) if product.kind}


def choose_(model: nn.Module, kinds: Mapping[str, str]) -> None:
    """Let products that have not been used yet be of ``kinds``, as ``chosen`` of the same model."""
    for product in _products(model):
        if product.kind is None and product.name in kinds:
            product.take(kinds[product.name])


def _products(model: nn.Module) -> Iterator[Auto]:
    for module in model.modules():
        if isinstance(module, ProductModule):
            yield from (p for p in module.products.values() if isinstance(p, Auto))
