"""Random matrices with zeros."""

import torch


def sparse_matrix(rows, columns, sparsity, dtype=torch.float32, seed=0):
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(rows, columns, generator=generator).to(dtype)
    weight[torch.rand(rows, columns, generator=generator) < sparsity] = 0.0
    return weight
