"""``--bf16`` where there is no TPU."""

import functools

from fairseq import utils
from fairseq.distributed import utils as distributed


def train_in_bf16_anywhere() -> None:
    """Let ``--bf16`` and ``--memory-efficient-bf16`` train on the GPUs or the CPU that are there.

    fairseq's commands take them for ``--tpu``, which its configurations (``fairseq-hydra-train``)
    do not. Where torch_xla is installed, that stays.
    """
    call = distributed.call_main

    @functools.wraps(call)
    def call_main(cfg, main, **kwargs):
        if cfg.common.bf16 and cfg.common.tpu and utils.xm is None:
            cfg.common.tpu = False
        return call(cfg, main, **kwargs)

    distributed.call_main = call_main
