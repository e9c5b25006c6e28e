"""A process of ``fairseq-prune distill --jobs N``.

    python -m fairseq_prune.sequence.worker OUT SHARDS [USER_DIR]

SHARDS are the numbers, with commas, of those that it is to translate.
"""

import os
import sys

from ..checkpoints.sentences import exits
from ..user_dir import import_plugin


def main(out: str, numbers: str, user_dir: str = "") -> None:
    with exits():
        if user_dir:
            import_plugin(user_dir)
        from .decoder import Decoder
        from .distill import WORK
        from .record import Record
        from .shards import Shards, cut
        from .work import translate_shards

        record = Record.read(out)
        assert record is not None, "it was written before this process began"
        decoder = Decoder(record.request)
        decoder.take(record.kinds)
        shards = cut([decoder.batches(part) for part in range(len(decoder.sets))])
        left = [shards[int(number)] for number in numbers.split(",")]
        translate_shards(decoder, left, Shards(os.path.join(out, WORK)), lambda: None)


if __name__ == "__main__":
    main(*sys.argv[1:])
