"""``--prune-runtime``: which products a model decodes with."""

import functools
from contextlib import contextmanager, nullcontext
from typing import Dict, Iterator, List

import torch
from fairseq.modules import MultiheadAttention
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from ..engine.library import find_library
from ..models.lstm_decoder import PrunedLSTMDecoder
from ..models.lstm_lm_decoder import LSTMLanguageModelDecoder
from ..models.stepped_lstm import SteppedLSTM
from ..pruning import PruneError
from .auto import Auto
from .modules import (
    MakeProduct,
    ProductLinear,
    ProductLSTM,
    ProductLSTMCell,
    ProductModule,
    ProductSoftmax,
    ProductSteppedLSTM,
)
from .products import KINDS, Product, int8, sparse_where_smaller
from .summary import say_summary
from .torch_products import notice_once
from .weight import Weight


def _sparse(weights: List[Weight], name: str) -> Product:
    return sparse_where_smaller(weights)


def _int8(weights: List[Weight], name: str) -> Product:
    return int8(weights, name)


#: What ``--prune-runtime`` takes besides dense.
RUNTIMES: Dict[str, MakeProduct] = {"sparse": _sparse, "int8": _int8, "auto": Auto}

_MODULES = {
    nn.Linear: ProductLinear,
    nn.LSTM: ProductLSTM,
    SteppedLSTM: ProductSteppedLSTM,
    nn.LSTMCell: ProductLSTMCell,
}


#: What parameters begin with.
DRAWS = (torch.ops.aten.uniform_.default, torch.ops.aten.normal_.default)
#: Numbers that are drawn at once.
PIECE = 1 << 16

#: decoders of this plugin, whose softmax may be the embedding
_MAY_TIE = (PrunedLSTMDecoder, LSTMLanguageModelDecoder)


def convert_(model: nn.Module, runtime: str) -> None:
    """Put product modules in the place of linear layers and LSTMs, in place.

    They are empty until ``model.load_state_dict``, which says what became of them. Where a
    softmax is tied to an embedding, the table stays and the softmax gets a product of its own.
    """
    make = RUNTIMES[runtime]
    for name, module in list(model.named_modules()):
        if isinstance(module, _MAY_TIE) and module.fc_out is None:
            module.fc_out = ProductSoftmax(make, module.embed_tokens)
            module._register_load_state_dict_pre_hook(_copy_embedding)
        if isinstance(module, MultiheadAttention) and name.startswith("encoder"):
            continue  # hands its weights to a function of torch's
        for child_name, child in list(module.named_children()):
            if type(child) in _MODULES and _is_supported(child):
                setattr(module, child_name, _MODULES[type(child)](make, child))
    model.register_load_state_dict_post_hook(functools.partial(say_summary, runtime))


def _is_supported(module: nn.Module) -> bool:
    # with weight normalisation there is no such parameter: it is made of two others at each use
    if isinstance(module, nn.Linear) and "weight" not in module._parameters:
        return False
    return not getattr(module, "batch_first", False) and not getattr(module, "proj_size", 0)


def _copy_embedding(state_dict, prefix, *rest) -> None:
    """A decoder's, to its softmax."""
    state_dict[f"{prefix}fc_out.weight"] = state_dict[f"{prefix}embed_tokens.weight"]


@contextmanager
def unwritten() -> Iterator[None]:
    """Models built meanwhile keep no numbers drawn for them: they are loaded next.

    Memory that nothing has been written to takes no room. As many numbers are drawn as ever, so
    that what draws next, such as ``--sampling``, draws the same ones as with a dense model.
    """
    with _Unwritten() if _can_be_unwritten() else nullcontext():
        yield


class _Unwritten(TorchDispatchMode):
    """While on, draws for a large tensor what torch would, piece by piece, and leaves it alone."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func not in DRAWS or args[0].numel() < 2 * PIECE or not args[0].is_contiguous():
            return func(*args, **kwargs)
        drawn, *rest = args
        left, piece = drawn.numel(), torch.empty(PIECE, dtype=drawn.dtype)
        # a normal distribution draws in blocks of 16, and at least that many at once
        while left >= 2 * PIECE:
            func(piece, *rest, **kwargs)
            left -= PIECE
        func(torch.empty(left, dtype=drawn.dtype), *rest, **kwargs)
        return drawn


@functools.lru_cache(maxsize=None)
def _can_be_unwritten() -> bool:
    """torch 1.13 makes no tensors by ``torch.Tensor(size)`` in such a mode: numbers are written."""
    try:
        with _Unwritten():
            torch.nn.Parameter(torch.Tensor(1))
    except RuntimeError:
        return False
    return True


def check_runtime(runtime: str, flag: str = "--prune-runtime") -> None:
    """Raise PruneError unless ``runtime`` is one, and torch has its kernels here."""
    choices = ["dense", *RUNTIMES]
    if runtime not in choices:
        raise PruneError(f"{flag} {runtime}: choose one of {', '.join(choices)}")
    if runtime != "dense" and find_library() is None:
        notice_once()
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
