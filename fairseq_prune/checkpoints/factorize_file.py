"""Factorizing the matrices of a language model's checkpoint file."""

from dataclasses import dataclass
from typing import Any, Dict, Iterator, List, Mapping, Optional, Tuple, Union

import torch
from torch import Tensor

from ..errors import OPTION, OptionError, PruneError
from ..factorization import FORMS, LowRank, LowRankEmbedding, TensorTrain
from ..models.factorized import Factorization
from .reading import read_checkpoint
from .weights import find_record
from .writing import check_writable, write_checkpoint

ARCHITECTURE = "pruned_lstm_lm"
#: fairseq's dictionaries all have it there
PADDING = 1


@dataclass(frozen=True)
class FactorizedMatrix:
    """What became of one matrix.

    Attributes:
        before, after: parameters, without biases.
        error: Frobenius norm of the difference over that of the matrix.
    """

    name: str
    shape: Tuple[int, ...]
    before: int
    after: int
    error: float


def factorize_checkpoint(
    source: str, target: str, factorization: Factorization
) -> List[FactorizedMatrix]:
    """Factorize the model in ``source`` and write it to ``target``, to decode or retrain.

    Low rank by singular values, tensor trains by TT-SVD; the configuration in the file says
    so. The optimizer's state and averages are left out: they belong to the matrices that
    were. ``target`` may be ``source``.

    Raises:
        PruneError: the file holds no language model of this plugin, or one that is factorized
            already, or pruned (the factors of its matrices would not be); a rank is out of
            range; a weight is no finite number; see ``Factorization.check``,
            ``read_checkpoint`` and ``write_checkpoint``.
    """
    factorization.check()
    if factorization.form == "none":
        raise OptionError(
            f"{OPTION}factorization none factorizes nothing; give {' or '.join(FORMS)}"
        )
    check_writable(target)
    state = read_checkpoint(source)
    cfg = _model_config(state, source)
    record = find_record(state)
    if record and record["masks"]:
        raise PruneError(f"{source} is pruned, its factors would not be; factorize, then prune")
    done = []
    for place in _places(state["model"], factorization):
        done.append(_factorize(state["model"], *place, factorization))
    cfg.update(
        factorization=factorization.form,
        lstm_rank=factorization.lstm_rank,
        softmax_rank=factorization.softmax_rank,
        embedding_rank=factorization.embedding_rank,
        tensor_train_order=factorization.order,
    )
    state.pop("last_optimizer_state", None)
    for key in ("ema", "ema_fp32_params", "best"):
        (state.get("extra_state") or {}).pop(key, None)
    write_checkpoint(state, target)
    return done


def _model_config(state: Mapping[str, Any], source: str) -> Dict[str, Any]:
    cfg = (state.get("cfg") or {}).get("model") or {}
    name = str(cfg.get("_name") if isinstance(cfg, Mapping) else getattr(cfg, "arch", ""))
    if not name.startswith(ARCHITECTURE) or not isinstance(cfg, dict):
        raise PruneError(f"{source} is no {ARCHITECTURE}: only those can be factorized")
    if cfg.get("factorization", "none") != "none":
        raise PruneError(f"{source} is factorized already; give the dense model")
    return cfg


def _places(model: Mapping[str, Tensor], f: Factorization) -> Iterator[Tuple[str, str, int]]:
    """(name of the matrix, prefix of what takes its place, rank)."""
    if f.lstm_rank:
        for name in sorted(model):
            for side in ("ih", "hh"):
                prefix = f"decoder.lstm.weight_{side}_l"
                if name.startswith(prefix):
                    yield name, f"decoder.lstm.{side}_l{name[len(prefix) :]}.", f.lstm_rank
    tied = "decoder.fc_out.weight" not in model
    if tied and (f.softmax_rank or f.embedding_rank):
        raise PruneError(
            "the softmax is tied to the embedding: give no --softmax-rank or --embedding-rank"
        )
    if f.softmax_rank:
        yield "decoder.fc_out.weight", "decoder.fc_out.", f.softmax_rank
    if f.embedding_rank:
        yield "decoder.embed_tokens.weight", "decoder.embed_tokens.", f.embedding_rank


def _factorize(model: Dict[str, Tensor], name: str, prefix: str, rank: int, f: Factorization):
    weight = model.pop(name)
    bias = model.pop(f"{prefix}bias", None)
    try:
        small = _small(weight.float(), bias, rank, name, f)
    except PruneError as error:
        raise PruneError(f"{name}: {error}") from error
    with torch.no_grad():
        again = (
            small(torch.arange(len(weight)))
            if isinstance(small, LowRankEmbedding)
            else small.matrix()
        )
        difference = (again - weight.float()).norm()
        lost = float(difference / weight.float().norm().clamp_min(1e-30))
    parts = {n: p.detach().to(weight.dtype) for n, p in small.named_parameters()}
    model.update((prefix + n, p) for n, p in parts.items())
    after = sum(p.numel() for n, p in parts.items() if not n.endswith("bias"))
    return FactorizedMatrix(name, tuple(weight.shape), weight.numel(), after, lost)


def _small(
    weight: Tensor, bias: Optional[Tensor], rank: int, name: str, f: Factorization
) -> Union[LowRank, LowRankEmbedding, TensorTrain]:
    if "embed_tokens" in name:
        return LowRankEmbedding.from_dense(weight, rank, PADDING)
    return FORMS[f.form].from_dense(weight, bias, rank, **f.options)
