"""``fairseq-prune pack``: small files."""

from dataclasses import asdict
from typing import Optional

from ..checkpoints.dictionaries import check_dictionaries, find_dictionaries, fingerprints
from ..checkpoints.in_fairseq import mapped_checkpoints
from ..checkpoints.packed.pack_file import Packed, pack_checkpoint
from ..checkpoints.packed.values_code import VALUES
from ..checkpoints.reading import read_checkpoint
from ..checkpoints.task_of import config_of, set_up
from ..pruning import PruneError
from .quiet import quiet_libraries
from .say import say, say_json


def add_to(verbs) -> None:
    verb = verbs.add_parser(
        "pack",
        description="Write the model in CKPT to OUT: the mask compressed, the weights that are "
        "kept, the configuration. No bit is lost unless --values says so. fairseq-generate "
        "--path takes OUT as it is, with --user-dir fairseq_prune.",
    )
    verb.add_argument("source", metavar="CKPT", help="fairseq checkpoint to read")
    verb.add_argument("target", metavar="OUT", help="packed file to write")
    verb.add_argument(
        "--values",
        default="exact",
        help="exact: every bit (default); fp16; int8, with a scale for each output channel. "
        "Of matrices; biases and norms stay as they are",
    )
    verb.add_argument(
        "--data",
        metavar="DIR",
        help="folder with the dictionaries, to be recognised later (default: the one trained on)",
    )
    verb.add_argument("--json", action="store_true", help="print JSON")
    verb.set_defaults(run=run_pack)


def run_pack(args) -> None:
    if args.values not in VALUES:
        raise PruneError(f"--values {args.values}: choose one of {', '.join(VALUES)}")
    quiet_libraries()
    dictionaries, problem = _dictionaries(args.source, args.data)
    packed = pack_checkpoint(args.source, args.target, args.values, dictionaries)
    if args.json:
        say_json(asdict(packed))
        return
    say(_sizes(packed))
    for what in packed.left_out:
        say(f"left out: {what}")
    if problem is not None:
        say(f"the dictionaries are not noted: {problem}; give --data")
    say(f"wrote {args.target}")


def _dictionaries(source: str, data: Optional[str]):
    """Fingerprints, and why there are none."""
    noted = find_dictionaries(read_checkpoint(source))
    if noted and data is None:
        return noted, None
    try:
        with mapped_checkpoints():
            cfg = config_of(source, data)
        task = set_up(cfg, source)
    except PruneError as error:
        if data is not None:
            raise
        return noted, str(error)
    check_dictionaries(source, noted, task)
    return fingerprints(task), None


def _sizes(packed: Packed) -> str:
    share = 100 * packed.file_bytes / packed.dense_bytes
    over = 100 * (packed.file_bytes / packed.bound_bytes - 1)
    return (
        f"{packed.file_bytes:,} bytes, {share:.1f}% of the model's {packed.dense_bytes:,}, "
        f"{8 * packed.file_bytes / packed.parameters:.2f} bits a parameter; "
        f"{over:.1f}% above the entropy bound"
    )
