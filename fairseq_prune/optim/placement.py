"""Where fairseq's optimizer wrappers keep the weights that are really trained."""

from typing import Dict, Mapping, Tuple

from torch import Tensor, nn


def innermost(optimizer):
    """The FairseqOptimizer that takes the step, under the fp16 and amp wrappers."""
    for attribute in ("fp32_optimizer", "wrapped_optimizer"):
        if hasattr(optimizer, attribute):
            return innermost(getattr(optimizer, attribute))
    return optimizer


def unwrap(model: nn.Module) -> nn.Module:
    """The model under the distributed wrappers, its parameters named as in checkpoints."""
    inner = getattr(model, "module", None)
    return unwrap(inner) if isinstance(inner, nn.Module) else model


def masters(optimizer, named: Mapping[str, Tensor]) -> Dict[str, Tuple[Tensor, int]]:
    """name -> (parameter the optimizer steps, offset in it) of each model parameter.

    FP16Optimizer steps fp32 copies, flattened into one vector a device unless
    ``--fp16-no-flatten-grads``; every other optimizer steps the model's own parameters.
    """
    copies = {}
    if hasattr(optimizer, "fp32_params"):
        if optimizer.has_flat_params:
            flat = optimizer.fp32_params
            offsets: Dict = {}
            for param in optimizer.fp16_params:
                master = flat if isinstance(flat, Tensor) else flat[param.device.index]
                offset = offsets.get(param.device, 0)
                copies[param] = (master, offset)
                offsets[param.device] = offset + param.numel()
        else:
            for param, master in zip(optimizer.fp16_params, optimizer.fp32_params):
                copies[param] = (master, 0)
    return {name: copies.get(param, (param, 0)) for name, param in named.items()}


def master_view(master: Tensor, offset: int, like: Tensor) -> Tensor:
    """The part of ``master`` that holds the parameter ``like``, in its shape."""
    return master.data.view(-1)[offset : offset + like.numel()].view_as(like)
