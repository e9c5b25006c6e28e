"""``fairseq-prune pack`` and ``unpack``: a checkpoint's model in few bytes, and back."""

from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Tuple

from torch import Tensor

from ...errors import OPTION, OptionError
from ...packed.bound import check_claim
from ...packed.described import VALUES
from ...packed.shortlist import Shortlist
from ...packed.texts import Text
from ...parameters.kinds import without_copies
from ...parameters.ties import Aliases
from ...pruning import RECORD_KEY
from ..dictionaries import DICTIONARIES_KEY, find_dictionaries
from ..form import check_form
from ..reading import read_checkpoint
from ..stock_names import with_stock_names
from ..weights import aliases_in, distinct, find_record
from ..writing import check_writable, write_checkpoint
from .packed_model import PackedModel
from .plain import to_json
from .write_container import Entry, write_container
from .write_tensor import describe, write_tensor
from .write_texts import shortlist_entries, shortlist_of, texts_of, write_texts

#: Not the model's: what training needs to go on, and averages as large as the model.
OPTIMIZER, AVERAGES = "last_optimizer_state", ("ema", "ema_fp32_params")

#: What stands in a place of its own in the packed file, or nowhere.
APART = ("model", OPTIMIZER, RECORD_KEY, DICTIONARIES_KEY)


@dataclass(frozen=True)
class Packed:
    """What became of a checkpoint.

    Attributes:
        parameters: of the model, tied ones once.
        dense_bytes: of the model's tensors, tied ones once.
        bound_bytes: the sum over tensors of the entropy of the mask and the kept values.
        file_bytes: of the packed file.
        text_bytes: of them, those of texts: dictionaries, what cuts text into their words, and the
            shortlist.
        left_out: what is in the checkpoint and not in the file.
    """

    parameters: int
    dense_bytes: int
    bound_bytes: float
    file_bytes: int
    text_bytes: int
    left_out: List[str]


def pack_checkpoint(
    source: str,
    target: str,
    values: str = "exact",
    dictionaries: Optional[Mapping[str, str]] = None,
    texts: Optional[Mapping[str, Text]] = None,
    shortlist: Optional[Shortlist] = None,
) -> Packed:
    """Write the model in ``source``, its mask and configuration to ``target``.

    The optimizer's state and averages (``--store-ema``) are left out, and the copies that stock
    fairseq makes of a transformer's weights whenever it loads them.

    Args:
        values: a key of ``VALUES``; "exact" keeps every bit.
        dictionaries: name -> fingerprint of the dictionaries the model belongs to; by default
            those noted in ``source``.
        texts: the dictionaries themselves, and what cuts text into their words; by default those
            in ``source``, if that is a packed file.
        shortlist: of the model; by default that in ``source``, if that is a packed file.
    Raises:
        PruneError: ``source`` cannot be read, or holds what cannot be packed; ``target`` cannot
            be written.
    """
    if values not in VALUES:
        raise OptionError(f"{OPTION}values {values}: choose one of {', '.join(VALUES)}")
    check_writable(target)
    state = with_stock_names(read_checkpoint(source))
    model = without_copies(state["model"])
    record = find_record(state)
    aliases = aliases_in(state, source)
    copies = _copies(model, aliases, {} if record is None else record["masks"])
    entries: List[Entry] = []
    tensors: Dict[str, Any] = {}
    bound = 0.0
    for name, tensor in model.items():
        if name in copies:
            tensors[name] = {"same_as": copies[name]}
            continue
        mask = record["masks"].get(name) if record is not None else None
        tensors[name], made, least = write_tensor(name, tensor, mask, values)
        entries, bound = entries + made, bound + least
    rest, loose, left_out = _rest(state)
    for k, tensor in enumerate(loose):
        entries += write_tensor(f"state:{k}", tensor, None, "exact")[1]
    content = {
        "tensors": tensors,
        "record": None if record is None else _without_masks(record),
        "state": rest,
        "loose": [describe(tensor) for tensor in loose],
        "dictionaries": dict(find_dictionaries(state) if dictionaries is None else dictionaries),
    }
    content["texts"], written = write_texts(texts_of(source) if texts is None else texts)
    shortlist = shortlist_of(source) if shortlist is None and written else shortlist
    if shortlist is not None:
        written += shortlist_entries(shortlist)
    entries += written
    kept = [tensor for name, tensor in model.items() if name not in copies]
    dense = sum(tensor.numel() * tensor.element_size() for tensor in kept)
    check_claim(dense, sum(entry.size for entry in entries), target)
    size = write_container(target, content, entries)
    parameters = sum(tensor.numel() for tensor in distinct(model, aliases).values())
    beside = sum(entry.size for entry in written)
    return Packed(parameters, dense, bound, size, beside, left_out)


def _without_masks(record: Mapping[str, Any]) -> Any:
    return to_json({k: v for k, v in record.items() if k not in ("masks", "shapes")}, [])


def _copies(
    model: Mapping[str, Tensor], aliases: Aliases, masks: Mapping[str, Any]
) -> Dict[str, str]:
    """Name -> an earlier name of the same weight, which has no other mask."""
    return {
        other: first
        for first, others in aliases.items()
        for other in others
        if other in model and other not in masks
    }


def _rest(state: Mapping[str, Any]) -> Tuple[Any, List[Tensor], List[str]]:
    """All but the model, as JSON; its loose tensors; names of what was left out."""
    rest = {k: v for k, v in state.items() if k not in APART}
    left_out = ["the optimizer's state"] if state.get(OPTIMIZER) else []
    extra = rest.get("extra_state")
    if extra:
        left_out += ["the average of --store-ema"] if any(k in extra for k in AVERAGES) else []
        rest["extra_state"] = {k: v for k, v in extra.items() if k not in AVERAGES}
    loose: List[Tensor] = []
    return to_json(rest, loose), loose, left_out


def unpack_file(source: str, target: str) -> None:
    """Write the checkpoint that was packed in ``source``, without optimizer state, to ``target``.

    Raises:
        PruneError: see ``PackedModel``, ``check_form`` and ``write_checkpoint``.
    """
    check_writable(target)
    packed = PackedModel(source)
    state = packed.state(packed.decode())
    check_form(state, source)
    write_checkpoint(state, target)
