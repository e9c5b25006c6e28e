"""``--prune-runtime``: which products a model decodes with."""

from contextlib import contextmanager
from typing import Dict, Iterator

import torch
from fairseq.modules import MultiheadAttention
from torch import nn

from ..models.lstm_decoder import PrunedLSTMDecoder
from ..models.lstm_lm_decoder import LSTMLanguageModelDecoder
from ..models.stepped_lstm import SteppedLSTM
from ..pruning import PruneError
from .auto import Auto
from .modules import (
    Maker,
    ProductLinear,
    ProductLSTM,
    ProductLSTMCell,
    ProductModule,
    ProductSteppedLSTM,
)
from .products import KINDS, Int8, sparse_where_smaller

#: What ``--prune-runtime`` takes besides dense.
RUNTIMES: Dict[str, Maker] = {
    "sparse": lambda weights, name: sparse_where_smaller(weights),
    "int8": lambda weights, name: Int8(weights),
    "auto": Auto,
}

_MODULES = {
    nn.Linear: ProductLinear,
    nn.LSTM: ProductLSTM,
    SteppedLSTM: ProductSteppedLSTM,
    nn.LSTMCell: ProductLSTMCell,
}


#: decoders of this plugin, whose softmax may be the embedding
_MAY_TIE = (PrunedLSTMDecoder, LSTMLanguageModelDecoder)


def convert_(model: nn.Module, runtime: str) -> None:
    """Put product modules in the place of linear layers and LSTMs, in place.

    They are empty until ``model.load_state_dict``. Where a softmax is tied to an embedding,
    the table stays and the softmax gets a product of its own.
    """
    make = RUNTIMES[runtime]
    for name, module in list(model.named_modules()):
        if isinstance(module, _MAY_TIE) and module.fc_out is None:
            _untie_softmax_(module, make)
        if isinstance(module, MultiheadAttention) and name.startswith("encoder"):
            continue  # hands its weights to a function of torch's
        for child_name, child in list(module.named_children()):
            if type(child) in _MODULES and _is_supported(child):
                setattr(module, child_name, _MODULES[type(child)](make, child))


def _is_supported(module: nn.Module) -> bool:
    return not getattr(module, "batch_first", False) and not getattr(module, "proj_size", 0)


def _untie_softmax_(decoder: nn.Module, make: Maker) -> None:
    table = decoder.embed_tokens.weight
    like = nn.Linear(1, 1, bias=False)
    like.weight = table
    decoder.fc_out = ProductLinear(make, like)

    def copy_key(state_dict, prefix, *rest):
        state_dict[f"{prefix}fc_out.weight"] = state_dict[f"{prefix}embed_tokens.weight"]

    decoder._register_load_state_dict_pre_hook(copy_key)


@contextmanager
def uninitialised() -> Iterator[None]:
    """Models built meanwhile have no numbers drawn for them: they are loaded next.

    Memory that nothing has been written to takes no room.
    """
    draws = ("uniform_", "normal_", "trunc_normal_", "random_", "exponential_")
    kept = {name: getattr(torch.Tensor, name) for name in draws if hasattr(torch.Tensor, name)}
    for name in kept:
        setattr(torch.Tensor, name, lambda self, *args, **kwargs: self)
    try:
        yield
    finally:
        for name, method in kept.items():
            setattr(torch.Tensor, name, method)


def check_runtime(runtime: str, flag: str = "--prune-runtime") -> None:
    """Raise PruneError unless ``runtime`` is one, and torch has its kernels here."""
    choices = ["dense", *RUNTIMES]
    if runtime not in choices:
        raise PruneError(f"{flag} {runtime}: choose one of {', '.join(choices)}")
    kinds = {"dense": [], "auto": list(KINDS)}.get(runtime, [runtime])
    for kind in kinds:
        try:
            KINDS[kind]([torch.eye(8)])(torch.ones(3, 8))
        except (RuntimeError, AttributeError, NotImplementedError) as error:
            reason = str(error).strip().split("\n")[0]
            raise PruneError(
                f"{flag} {runtime} needs kernels that this torch does not have here "
                f"({reason}); use dense"
            ) from error


def has_products(model: nn.Module) -> bool:
    """Whether ``convert_`` was here."""
    return any(isinstance(module, ProductModule) for module in model.modules())
