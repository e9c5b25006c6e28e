"""Uniform initialisation (Luong et al. 2015, section 4.1: uniform in [-0.1, 0.1])."""

from typing import TypeVar

from torch import nn

Module = TypeVar("Module", bound=nn.Module)


def uniform_init_(module: Module, init_range: float) -> Module:
    """Fill every parameter of ``module`` from U(-init_range, init_range), in place."""
    for parameter in module.parameters():
        nn.init.uniform_(parameter, -init_range, init_range)
    return module


def uniform_embedding(
    num_embeddings: int, dim: int, padding_idx: int, init_range: float
) -> nn.Embedding:
    """An embedding table from U(-init_range, init_range), its padding row zero."""
    embedding = uniform_init_(nn.Embedding(num_embeddings, dim, padding_idx), init_range)
    nn.init.zeros_(embedding.weight[padding_idx])
    return embedding


def uniform_linear(in_features: int, out_features: int, init_range: float) -> nn.Linear:
    """A projection without bias from U(-init_range, init_range)."""
    return uniform_init_(nn.Linear(in_features, out_features, bias=False), init_range)
