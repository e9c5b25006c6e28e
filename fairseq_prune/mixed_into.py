"""What mixins find in the classes of fairseq's that they are put before.

fairseq has no type hints: this is for the type checker alone. When it runs, such a mixin has no
base, so that fairseq's own class comes next.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:

    class Task:
        """A ``FairseqTask``."""

        args: Any
        cfg: Any
        dataset_to_epoch_iter: Any
        target_dictionary: Any

        @classmethod
        def add_args(cls, *args: Any, **kwargs: Any) -> None: ...

        @classmethod
        def setup_task(cls, *args: Any, **kwargs: Any) -> Any: ...

        def begin_epoch(self, *args: Any, **kwargs: Any) -> None: ...

        def build_generator(self, *args: Any, **kwargs: Any) -> Any: ...

        def build_model(self, *args: Any, **kwargs: Any) -> Any: ...

        def can_reuse_epoch_itr(self, *args: Any, **kwargs: Any) -> bool: ...

        def get_batch_iterator(self, *args: Any, **kwargs: Any) -> Any: ...

        def post_validate(self, *args: Any, **kwargs: Any) -> None: ...

        def reduce_metrics(self, *args: Any, **kwargs: Any) -> None: ...

        def train_step(self, *args: Any, **kwargs: Any) -> Any: ...

        def valid_step(self, *args: Any, **kwargs: Any) -> Any: ...

    class Optimizer:
        """A ``FairseqOptimizer``."""

        optimizer: Any

        def __init__(self, *args: Any, **kwargs: Any): ...

        def clip_grad_norm(self, *args: Any, **kwargs: Any) -> Any: ...

        def load_state_dict(self, *args: Any, **kwargs: Any) -> None: ...

        def state_dict(self) -> Any: ...

        def step(self, *args: Any, **kwargs: Any) -> Any: ...

else:
    Task = Optimizer = object
