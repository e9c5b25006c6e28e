"""Multi-head attention in plain steps, so that what goes into its four linear maps can be seen."""

import math
from typing import Callable, Optional, Tuple

import torch
from torch import Tensor


def attention(
    linear: Callable[..., Tensor],
    query: Tensor,
    key: Tensor,
    value: Tensor,
    heads: int,
    biases: Tensor,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor,
    key_padding_mask: Optional[Tensor],
    attn_mask: Optional[Tensor],
    q_proj_weight: Tensor,
    k_proj_weight: Tensor,
    v_proj_weight: Tensor,
) -> Tuple[Tensor, Tensor]:
    """What ``torch.nn.functional.multi_head_attention_forward`` gives with projections apart,
    without dropout (Vaswani et al. 2017, section 3.2).

    Args:
        linear: takes an input, a weight and a bias.
        query: [target positions, batch, columns]; ``key`` and ``value`` of source positions.
        biases: of the projections of query, key and value, one after the other.
        key_padding_mask: [batch, source positions], True at what is not to be looked at.
        attn_mask: added to products: [target positions, source positions].
    Returns:
        the output, shaped like ``query``, and the mean of the heads' weights, [batch, target
        positions, source positions].
    """
    projected = zip(
        (query, key, value), (q_proj_weight, k_proj_weight, v_proj_weight), biases.chunk(3)
    )
    # [batch, heads, positions, columns of a head]
    q, k, v = (
        linear(x, weight, bias).unflatten(-1, (heads, -1)).permute(1, 2, 0, 3)
        for x, weight, bias in projected
    )
    products = q @ k.transpose(2, 3) / math.sqrt(q.shape[-1])
    if attn_mask is not None:
        products = products + attn_mask
    if key_padding_mask is not None:
        products = products.masked_fill(key_padding_mask[:, None, None, :], -math.inf)
    weights = torch.softmax(products, dim=-1)
    mixed = (weights @ v).permute(2, 0, 1, 3).flatten(2)
    return linear(mixed, out_proj_weight, out_proj_bias), weights.mean(dim=1)
