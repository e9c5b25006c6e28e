"""Linear layers and LSTMs whose weights are products instead of parameters.

They take the place of torch's modules before a state dict is loaded and take their weights
from it under the same names, one at a time: a dense copy of the model never exists. Their own
state dict has the weights under those names again, dense and as they are multiplied.
"""

from typing import Callable, Dict, List, Optional, Tuple, Union

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from ..models.stepped_lstm import State, known, lstm_step
from ..pruning import PruneError
from .auto import Auto
from .engine_products import EngineProduct
from .products import Product
from .weight import Weight

#: What multiplies, or will when it is first called.
AnyProduct = Union[Product, Auto]
#: From weights that are multiplied together, and their name, to their product.
MakeProduct = Callable[[List[Weight], str], AnyProduct]


class ProductModule(nn.Module):
    """For inference. Takes matrices from a state dict as products and vectors as they are.

    Attributes:
        products: by the first name of each group.
        groups: see ``__init__``.
        shapes: by name.
    """

    def __init__(self, make: MakeProduct, like: nn.Module, groups: List[Tuple[str, ...]]):
        """
        Args:
            like: the module whose place this takes.
            groups: names of its matrices; those of a group are multiplied together.
        """
        super().__init__()
        self.products: Dict[str, AnyProduct] = {}
        self._make, self.groups = make, groups
        self.shapes = {name: tuple(p.shape) for name, p in like.named_parameters()}
        for name, shape in self.shapes.items():
            if len(shape) == 1:
                self.register_buffer(name, torch.empty(shape))

    def _load_from_state_dict(self, state_dict, prefix, metadata, strict, missing, extra, errors):
        wrong = len(missing) + len(errors)
        for name, shape in self.shapes.items():
            value = state_dict.get(prefix + name)
            if value is None:
                missing.append(prefix + name)
            elif tuple(value.shape) != shape:
                errors.append(f"{prefix}{name} is {tuple(value.shape)}, the model's is {shape}")
            elif len(shape) == 1:
                getattr(self, name).copy_(value)
        if len(missing) + len(errors) > wrong:
            return
        for names in self.groups:
            weights = [state_dict[prefix + name] for name in names]
            self.products[names[0]] = self._make(weights, prefix + " and ".join(names))

    def _save_to_state_dict(self, destination, prefix, keep_vars):
        matrices: Dict[str, Tensor] = {}
        for names in self.groups:
            widths = [self.shapes[name][1] for name in names]
            parts = self.products[names[0]].dense().split(widths, dim=1)
            matrices.update(zip(names, (part.contiguous() for part in parts)))
        for name in self.shapes:  # in the order of torch's module
            value = matrices[name] if name in matrices else getattr(self, name)
            destination[prefix + name] = value if keep_vars else value.detach()

    def _apply(self, fn, *args, **kwargs):
        moved = fn(torch.zeros(1))
        if moved.dtype != torch.float32 or moved.device.type != "cpu":
            raise PruneError(
                "a model with --prune-runtime decodes in float32 on the CPU; load it with dense "
                "to have it elsewhere, or in another precision"
            )
        return super()._apply(fn, *args, **kwargs)

    def _biased(self, y: Tensor, *biases: str) -> Tensor:
        for bias in biases:
            if bias in self.shapes:
                y += known(self._buffers[bias])  # products are new in each call
        return y


class ProductLinear(ProductModule):
    """For ``nn.Linear``."""

    def __init__(self, make: MakeProduct, like: nn.Module):
        super().__init__(make, like, [("weight",)])

    def forward(self, x: Tensor) -> Tensor:
        # flatten and not reshape(-1, ...), which is in doubt where there are no elements
        columns = x if x.dim() == 2 else x.unsqueeze(0).flatten(0, -2)
        y = self._biased(self.products["weight"](columns), "bias")
        return y if x.dim() == 2 else y.view(*x.shape[:-1], y.shape[1])

    @property
    def weight(self) -> Tensor:
        """Dense, made anew: for code that multiplies it itself."""
        return self.products["weight"].dense()


class ProductSoftmax(ProductLinear):
    """For the softmax of a decoder that is tied to the embedding, whose matrix it takes."""

    def _save_to_state_dict(self, destination, prefix, keep_vars):
        pass  # the embedding has it


class _Steps(ProductModule):
    """Time steps of an LSTM whose input is known step by step: both matrices in one product."""

    def _step(self, product: AnyProduct, suffix: str, x: Tensor, state: State) -> State:
        gates = product(torch.cat((x, state[0]), dim=1))
        return lstm_step(self._biased(gates, f"bias_ih{suffix}", f"bias_hh{suffix}"), state[1])


class ProductLSTMCell(_Steps):
    """For ``nn.LSTMCell``."""

    def __init__(self, make: MakeProduct, like: nn.LSTMCell):
        super().__init__(make, like, [("weight_ih", "weight_hh")])
        self.hidden_size = like.hidden_size

    def forward(self, x: Tensor, state: Optional[State] = None) -> State:
        state = state or (x.new_zeros(len(x), self.hidden_size),) * 2
        return self._step(self.products["weight_ih"], "", x, state)


class ProductSteppedLSTM(_Steps):
    """For ``SteppedLSTM``, of a decoder."""

    def __init__(self, make: MakeProduct, like: nn.LSTM):
        layers = range(like.num_layers)
        super().__init__(make, like, [(f"weight_ih_l{k}", f"weight_hh_l{k}") for k in layers])
        self.num_layers = like.num_layers

    def cell(self, layer: int, x: Tensor, state: State) -> State:
        """As ``SteppedLSTM.cell``."""
        return self._step(self.products[f"weight_ih_l{layer}"], f"_l{layer}", x, state)

    def forward(self, x: Tensor, state: State) -> Tuple[Tensor, State]:
        """Output (T, B, H) and (h, c), as ``nn.LSTM``, of x (T, B, I)."""
        finals = []
        for layer in range(self.num_layers):
            x, after = self._layer(layer, x, (state[0][layer], state[1][layer]))
            finals.append(after)
        h, c = (torch.stack(part) for part in zip(*finals))
        return x, (h, c)

    def _layer(self, layer: int, x: Tensor, state: State) -> Tuple[Tensor, State]:
        product = self.products[f"weight_ih_l{layer}"]
        if isinstance(product, Auto) and len(x):
            size = f"{x.shape[0]} x {x.shape[1]} words"
            product = product.chosen(lambda one: self._steps(one, layer, x, state), size)
        return self._steps(product, layer, x, state)

    def _steps(
        self, product: AnyProduct, layer: int, x: Tensor, state: State
    ) -> Tuple[Tensor, State]:
        if isinstance(product, EngineProduct):
            return product.lstm(x, self._bias(layer), state)
        outputs = []
        for step in x.unbind(0):
            state = self._step(product, f"_l{layer}", step, state)
            outputs.append(state[0])
        return torch.stack(outputs), state

    def _bias(self, layer: int) -> Optional[Tensor]:
        names = [f"bias_{side}_l{layer}" for side in ("ih", "hh")]
        biases = [known(self._buffers[name]) for name in names if name in self.shapes]
        return sum(biases[1:], biases[0]) if biases else None


class ProductLSTM(ProductModule):
    """For ``nn.LSTM`` with time first and no projections, of an encoder: a layer's inputs are
    all known at once, and multiplied at once.
    """

    def __init__(self, make: MakeProduct, like: nn.LSTM):
        self_names = [name for name, p in like.named_parameters() if p.dim() == 2]
        super().__init__(make, like, [(name,) for name in self_names])
        self.hidden_size, self.num_layers = like.hidden_size, like.num_layers
        self._directions: List[str] = ["", "_reverse"] if like.bidirectional else [""]

    def forward(self, x: Union[Tensor, PackedSequence], state: Optional[State] = None):
        """Output and (h, c), as ``nn.LSTM``; x is (T, B, I) or packed."""
        if isinstance(x, PackedSequence):
            data, batch_sizes, order, back = x
            sizes = batch_sizes.tolist()
        else:
            data, order, back = x.flatten(0, 1), None, None
            sizes = [x.shape[1]] * x.shape[0]
        runs = self.num_layers * len(self._directions)
        if state is None:
            state = (data.new_zeros(runs, sizes[0], self.hidden_size),) * 2
        elif order is not None:
            state = (state[0].index_select(1, order), state[1].index_select(1, order))
        finals: List[State] = []
        for layer in range(self.num_layers):
            outputs = []
            for direction in self._directions:
                first = (state[0][len(finals)], state[1][len(finals)])
                output, final = self._run(f"_l{layer}{direction}", data, sizes, first)
                outputs.append(output)
                finals.append(final)
            data = torch.cat(outputs, dim=1)
        h, c = (torch.stack(part) for part in zip(*finals))
        if back is not None:
            h, c = h.index_select(1, back), c.index_select(1, back)
        if isinstance(x, PackedSequence):
            return PackedSequence(data, x.batch_sizes, order, back), (h, c)
        return data.reshape(*x.shape[:2], data.shape[1]), (h, c)

    def _run(self, suffix: str, data: Tensor, sizes: List[int], state: State):
        """One layer in one direction over packed ``data`` (N, I), ``sizes[t]`` rows at time t."""
        inputs = self.products[f"weight_ih{suffix}"](data)
        inputs = self._biased(inputs, f"bias_ih{suffix}", f"bias_hh{suffix}")
        recurrent = self.products[f"weight_hh{suffix}"]
        h, c = state
        backwards = suffix.endswith("_reverse")
        outputs: List[Tensor] = []
        steps = inputs.split(sizes)
        for step in reversed(steps) if backwards else steps:
            size = len(step)
            new = lstm_step(step + recurrent(h[:size]), c[:size])
            # sequences that have ended, or not begun from their end yet, keep their states
            h, c = (
                new if size == len(h) else (torch.cat((n, o[size:])) for n, o in zip(new, (h, c)))
            )
            outputs.append(new[0])
        return torch.cat(outputs[::-1] if backwards else outputs), (h, c)
