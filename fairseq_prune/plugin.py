"""All that this package adds to fairseq and changes in it, for this process.

Each package that uses fairseq begins by importing this, so that all is there whichever of them
comes first. Here modules of theirs are imported, not what the packages themselves hold: the one
that came first is waiting, and still empty.
"""

import logging

# while fairseq is imported, unless it is: of packages that some other task would want
_disabled = logging.root.manager.disable
logging.disable(logging.INFO)
try:
    from .criterions import distillation  # noqa: F401  (registers)
    from .fairseq_fixes.table import fix_fairseq
    from .loading.load_packed import load_packed
    from .models import pruned_lstm_lm, pruned_lstm_nmt  # noqa: F401  (register)
    from .optim import luong_lr_scheduler, pruned_optimizer  # noqa: F401  (registers)
    from .optim.pruned_optimizer import register_pruned_optimizer
    from .tasks import pruned_task
    from .tasks.pruned_task import register_pruned_task

    pruned_optimizer.register_all()
    pruned_task.register_all()
    fix_fairseq()  # last: it looks at what of fairseq has been imported
finally:
    logging.disable(_disabled)

__all__ = ["load_packed", "register_pruned_optimizer", "register_pruned_task"]
