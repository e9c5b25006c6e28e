"""A data folder of a teacher's translations, from beginning to end."""

import os
import shutil
from typing import Callable, Dict, List, Optional

from ..checkpoints.digest import digest
from ..folder_lock import folder_lock
from ..pruning import PruneError
from .assemble import assemble
from .decoder import Decoder
from .progress import Progress
from .record import NAME, Record
from .request import REFERENCE, Request
from .sets import files_of
from .shards import Shard, Shards, cut
from .work import translate_by_jobs

#: Where the shards are until all is done.
WORK = ".work"


def distill(
    request: Request,
    out: str,
    jobs: int = 1,
    say: Callable[[str], None] = lambda text: None,
    user_dir: Optional[str] = None,
) -> Dict[str, int]:
    """Write folder ``out`` for ``request``, or go on where that was interrupted.

    Args:
        jobs: processes.
        say: is told how far it is.
        user_dir: what the processes are to import first.
    Returns:
        sentences; those of them that were translated and that were too long; tokens of the
        translations and how many of them are unknown words.
    Raises:
        PruneError: something of the request or the folder cannot be used.
    """
    if jobs < 1:
        raise PruneError(f"--jobs {jobs} is out of range; give 1 or more")
    now = _record(request)
    before = _begun(out, request, now)
    if before is not None and before.result is not None:
        say(f"{out} is finished already")
        return before.result
    decoder = Decoder(request)
    parts = [decoder.batches(part) for part in range(len(decoder.sets))]
    _check_parts(request, decoder, parts)
    with folder_lock(out, "distill") as lock:
        record = _begun(out, request, now) or now
        work = os.path.join(out, WORK)
        try:
            os.makedirs(work, exist_ok=True)
            all_shards, shards = cut(parts), Shards(work)
            if request.runtime == "auto" and not record.kinds:
                middle = all_shards[len(all_shards) // 2]
                record.kinds = decoder.kinds(middle.part, middle.batches[0])
            record.write(out)
            decoder.take(record.kinds)
            _translate(decoder, all_shards, shards, jobs, lock, say, out, user_dir)
            record.result = assemble(request, decoder, all_shards, shards, out)
            record.write(out)
            shutil.rmtree(work, ignore_errors=True)
        except OSError as error:
            raise PruneError(f"--out {out} cannot be written: {error.strerror or error}") from error
    return record.result


def _record(request: Request) -> Record:
    if not os.path.isdir(request.data):
        raise PruneError(f"DATA {request.data}: there is no such folder")
    files = files_of(request.data, request.subset)
    return Record.of(request, {"CKPT": digest([request.source]), "DATA": digest(files)})


def _begun(out: str, request: Request, now: Record) -> Optional[Record]:
    """The record of what is there, if something is."""
    if os.path.realpath(out) == os.path.realpath(request.data):
        raise PruneError(f"--out {out} is DATA itself; give another folder")
    record = Record.read(out)
    if record is not None:
        record.check(out, now)
    elif os.path.isdir(out) and any(not name.startswith(".") for name in os.listdir(out)):
        raise PruneError(f"--out {out} holds other files, and no {NAME}; give another folder")
    return record


def _check_parts(request: Request, decoder: Decoder, parts: List[List[List[int]]]) -> None:
    for part, batches in enumerate(parts):
        name = decoder.sets[part].name
        left_out = decoder.sentences(part) - sum(map(len, batches))
        if not batches:
            raise PruneError(f"no sentence of {name} is short enough for {request.source}")
        if decoder.has_references(part):
            continue
        if request.by == REFERENCE or request.keep_reference:
            flag = "--keep-reference" if request.keep_reference else "--by reference"
            raise PruneError(f"{flag}: DATA {request.data} has no targets in {name}; leave it out")
        if left_out:
            raise PruneError(
                f"{left_out} sentences of {name} are too long for {request.source}, and DATA "
                f"{request.data} has no references to keep for them; leave them out of DATA"
            )


def _translate(decoder, all_shards: List[Shard], shards: Shards, jobs, lock, say, out, user_dir):
    finished = shards.finished()
    # the longest sentences first: memory is enough then or not, and jobs end together
    left = [shard for shard in all_shards if shard.number not in finished]
    tokens = {
        shard.number: decoder.tokens(shard.part, [n for b in shard.batches for n in b])
        for shard in left
    }
    left.sort(key=lambda shard: -tokens[shard.number] / shard.sentences)
    before = sum(shard.sentences for shard in all_shards) - sum(s.sentences for s in left)
    progress = Progress({s.number: s.sentences for s in left}, tokens, before, say)

    def tell() -> None:
        progress.tell(shards.finished())

    translate_by_jobs(decoder, left, shards, jobs, lock, tell, out, user_dir)
