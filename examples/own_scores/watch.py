"""Sees what goes into the layers of a model, LSTMs at every time step."""

import inspect
from typing import Dict, List, Mapping

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from fairseq_prune.models.stepped_lstm import lstm_step

from .attention import attention

_LINEAR = (F.linear, torch._C._nn.linear)
_ATTENTION = inspect.signature(F.multi_head_attention_forward)


class Watch(TorchFunctionMode):
    """While it is entered, sums x^T x of the inputs of linear maps and LSTMs by name, and counts
    the words that go into embeddings.

    Over the positions whose output the loss depends on: not over padding. ``products`` and
    ``counts`` are complete after the backward pass. LSTMs in one direction, LSTM cells and the
    attention of Transformers are run in plain steps: torch's own do not show what is within.
    """

    def __init__(self, weights: Mapping[str, Tensor]):
        super().__init__()
        self._names = {id(weight): name for name, weight in weights.items()}
        self.products: Dict[str, Tensor] = {}
        self.counts: Dict[str, Tensor] = {}

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func in _LINEAR:
            return self._linear(*args, **kwargs)
        if func is F.embedding:
            return self._see(func(*args, **kwargs), args[1], args[0])
        if func is torch.lstm_cell:
            return self._cell(*args, **kwargs)
        if func is torch.lstm:
            return self._lstm(*args)
        if func is F.multi_head_attention_forward:
            return self._attention(_ATTENTION.bind(*args, **kwargs).arguments)
        return func(*args, **kwargs)

    def _linear(self, x, weight, bias=None):
        return self._see(F.linear(x, weight, bias), weight, x.detach())

    def _see(self, output, weight, x):
        """``output`` of ``weight``, which will have a gradient; x: words, of an embedding."""
        name = self._names.get(id(weight))
        if name is not None and output.requires_grad:
            output.register_hook(lambda gradient: self._add(name, weight, x, gradient))
            # what changes its values in place, as fairseq's attention does, would lose the hook
            return output.clone()
        return output

    def _add(self, name: str, weight: Tensor, x, gradient: Tensor) -> None:
        used = gradient.flatten(0, -2).ne(0).any(dim=1)
        if x.is_floating_point():
            rows, sums = x.flatten(0, -2)[used].float(), self.products
            found = rows.t() @ rows
        else:
            sums = self.counts
            found = torch.bincount(x.flatten()[used], minlength=len(weight)).float()
        sums[name] = sums[name] + found if name in sums else found

    def _cell(self, x, state, w_ih, w_hh, b_ih=None, b_hh=None):
        gates = self._linear(x, w_ih, b_ih) + self._linear(state[0], w_hh, b_hh)
        return lstm_step(gates, state[1])

    def _attention(self, given):
        if (
            not given.get("use_separate_proj_weight")
            or given["add_zero_attn"]
            or given["bias_k"] is not None
            or (given["training"] and given["dropout_p"])
        ):
            return F.multi_head_attention_forward(**given)
        passed = (
            "key_padding_mask attn_mask q_proj_weight k_proj_weight v_proj_weight "
            "out_proj_weight out_proj_bias query key value"
        )
        found, weights = attention(
            self._linear,
            heads=given["num_heads"],
            biases=given["in_proj_bias"],
            **{name: given.get(name) for name in passed.split()},
        )
        return found, weights if given.get("need_weights", True) else None

    def _lstm(self, x, second, third, fourth, *more):
        packed = torch.is_tensor(second)
        both_directions, batch_first = more[-1] if packed else more[-2], not packed and more[-1]
        if both_directions or batch_first:
            return torch.lstm(x, second, third, fourth, *more)
        state, flat = (third, fourth) if packed else (second, third)
        steps = list(x.split(second.tolist()) if packed else x.unbind(0))
        count = len(flat) // state[0].shape[0]
        hidden, cell = [], []
        for layer, (h, c) in enumerate(zip(*(part.unbind(0) for part in state))):
            steps, h, c = self._layer(steps, h, c, flat[count * layer : count * (layer + 1)])
            hidden.append(h)
            cell.append(c)
        output = torch.cat(steps) if packed else torch.stack(steps)
        return output, torch.stack(hidden), torch.stack(cell)

    def _layer(self, steps: List[Tensor], h: Tensor, c: Tensor, weights):
        outputs = []
        for step in steps:  # of a packed batch, fewer sentences go on each time
            n = len(step)
            new_h, new_c = self._cell(step, (h[:n], c[:n]), *weights)
            h, c = torch.cat([new_h, h[n:]]), torch.cat([new_c, c[n:]])
            outputs.append(new_h)
        return outputs, h, c
