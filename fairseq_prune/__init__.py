"""A fairseq plugin that prunes sequence-to-sequence models: ``--user-dir fairseq_prune``."""

import logging

# while fairseq is imported, unless it is: of packages that some other task would want
_disabled = logging.root.manager.disable
logging.disable(logging.INFO)
try:
    from . import models, optim, tasks  # noqa: F401
    from .mends import mend_all
    from .optim import register_pruned_optimizer
    from .runtime.load_packed import load_packed
    from .tasks import register_pruned_task
finally:
    logging.disable(_disabled)

__all__ = ["load_packed", "register_pruned_optimizer", "register_pruned_task"]

mend_all()
