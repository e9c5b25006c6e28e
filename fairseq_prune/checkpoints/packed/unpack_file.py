"""``fairseq-prune unpack``: a packed file as an ordinary checkpoint."""

from ..form import check_form
from ..writing import check_writable, write_checkpoint
from .packed_model import PackedModel


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
