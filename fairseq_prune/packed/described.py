"""What a packed file says of its model's tensors, held against what it has."""

from dataclasses import dataclass
from typing import Any, Dict, Mapping, Optional, Sequence, Tuple

from ..errors import PruneError
from .bound import check_claim
from .container import ITEM_SIZES, Container, count_of

#: What ``fairseq-prune pack --values`` takes, and the safetensors type of each.
VALUES: Dict[str, Optional[str]] = {"exact": None, "fp16": "F16", "int8": "I8"}

#: No tensor has more elements, whatever of it is stored.
MOST = 1 << 59


@dataclass(frozen=True)
class Described:
    """A tensor that the file has as it says.

    Attributes:
        name: that it is stored under.
        shape: as unpacked.
        dtype: as unpacked, safetensors' name.
        lossy: a key of ``VALUES``, where values are not as they were.
        recorded: whether the mask is that of a pruning.
        is_sparse: whether only what a mask keeps is stored.
    """

    name: str
    shape: Tuple[int, ...]
    dtype: str
    lossy: Optional[str]
    recorded: bool
    is_sparse: bool

    @property
    def count(self) -> int:
        return count_of(self.shape)

    @property
    def nbytes(self) -> int:
        """As unpacked."""
        return self.count * ITEM_SIZES[self.dtype]

    @property
    def claim(self) -> int:
        """Bytes that it stands for: rows without columns take some in a reader, too."""
        return count_of(max(n, 1) for n in self.shape) * ITEM_SIZES[self.dtype]

    @property
    def stored(self) -> str:
        """Type of the stored values."""
        return self.dtype if self.lossy is None else str(VALUES[self.lossy])

    @property
    def values(self) -> str:
        """The entry of the values."""
        return f"{self.name}:values" if self.is_sparse else self.name


def describe(container: Container, name: str, said: Mapping[str, Any]) -> Described:
    """
    Args:
        said: of one tensor, as in ``content``.
    Raises:
        PruneError: it cannot be, or is not what the file has.
    """
    entries = container.entries
    try:
        shape, dtype, lossy = said["shape"], said["dtype"], said.get("values")
        whole = isinstance(shape, list) and all(type(n) is int and n >= 0 for n in shape)
        if not whole or count_of(max(n, 1) for n in shape) > MOST or dtype not in ITEM_SIZES:
            raise ValueError("shape or dtype")
        if lossy is not None and (VALUES[lossy] is None or len(shape) < 2):
            raise ValueError("values")
        described = Described(
            name, tuple(shape), dtype, lossy, bool(said.get("recorded")), f"{name}:mask" in entries
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise PruneError(f"{container.path} is damaged: {name} is described wrongly") from error
    if lossy == "int8":
        expect(container, f"{name}:scales", "F16", described.shape[:1])
    if described.is_sparse:
        for entry, kind in ((f"{name}:mask", "U8"), (described.values, described.stored)):
            expect(container, entry, kind, entries.get(entry, ("", ()))[1])
    else:
        expect(container, name, described.stored, described.shape)
    return described


def expect(container: Container, entry: str, dtype: str, shape: Tuple[int, ...]) -> None:
    """
    Raises:
        PruneError: the file has no such entry, or another.
    """
    if container.entries.get(entry) != (dtype, shape):
        raise PruneError(f"{container.path} is damaged: {entry} is not as described")


def describe_model(container: Container, beside: Sequence[Described] = ()) -> Dict[str, Described]:
    """All tensors of the model, by name; the very same object for tied weights.

    Args:
        beside: tensors that are to be in memory with them.
    Raises:
        PruneError: the file is damaged, or claims to be larger than it can be.
    """
    tensors: Dict[str, Described] = {}
    try:
        for name, said in container.content["tensors"].items():
            tied = "same_as" in said
            tensors[name] = tensors[said["same_as"]] if tied else describe(container, name, said)
    except (AttributeError, KeyError, TypeError) as error:
        raise PruneError(f"{container.path} is damaged: its description is not complete") from error
    different = {tensor.name: tensor for tensor in tensors.values()}.values()
    claimed = sum(tensor.claim for tensor in (*different, *beside))
    check_claim(claimed, container.size, container.path)
    return tensors
