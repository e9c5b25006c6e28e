"""The options that a checkpoint was trained with, by name."""

from argparse import Namespace
from typing import Any, Dict, List, Mapping

from fairseq.models import ARCH_MODEL_REGISTRY
from fairseq.optim import OPTIMIZER_REGISTRY
from fairseq.tasks import TASK_REGISTRY
from omegaconf import OmegaConf

from ..checkpoints.configuration import settings_of
from ..loading.task_of import config_of, task_name
from ..pruning import PruneError

#: In order: where two have an option of one name, the later one's is meant.
SECTIONS = (
    "distributed_training", "common", "dataset", "optimization", "checkpoint", "model",
    "criterion", "optimizer", "task",
)  # fmt: skip


class Settings:
    """What ``cfg`` of a checkpoint says, whichever fairseq has written it: from the command line
    or by hydra, with its options in dataclasses or all in one Namespace.

    Attributes:
        path: of the checkpoint.
        task, arch, optimizer, criterion: their names in fairseq's registries, stock ones.
        flat: option -> value; options of nested sections as the command line has them
            (``encoder_embed_dim`` of ``encoder.embed_dim``).
        scheduler: names of the options of its learning rate schedule.
        lr: the learning rates of its epochs.
        world_size: processes that trained it.
    """

    def __init__(self, path: str):
        """
        Raises:
            PruneError: it cannot be read, or names what is not registered here.
        """
        self.path = path
        cfg = config_of(path)
        sections = {name: _plain(cfg.get(name)) for name in (*SECTIONS, "lr_scheduler")}
        self.flat: Dict[str, Any] = {}
        # a Namespace holds all options of a command line, as they were before others were set
        order = sorted(SECTIONS, key=lambda name: not isinstance(sections[name], Namespace))
        for name in order:
            self.flat.update(_flattened(settings_of(sections[name])))
        self.task = task_name(cfg)
        self.arch = str(self._name(sections["model"], "arch"))
        self.optimizer = str(self._name(sections["optimizer"], "optimizer"))
        self.criterion = str(self._name(sections["criterion"], "criterion"))
        scheduler = sections["lr_scheduler"]
        self.scheduler: List[str] = list(scheduler) if isinstance(scheduler, Mapping) else []
        lr = settings_of(sections["optimization"]).get("lr")
        self.lr: List[float] = [float(x) for x in (lr if isinstance(lr, list) else [lr])]
        distributed = settings_of(sections["distributed_training"])
        self.world_size = int(distributed.get("distributed_world_size") or 1)
        self._check_registered(settings_of(sections["common"]).get("user_dir"))

    def _name(self, section: Any, option: str) -> Any:
        name = settings_of(section).get("_name") or settings_of(section).get(option)
        name = section if isinstance(section, str) else name
        if name is None:
            raise PruneError(
                f"{self.path} does not say with which {option} it was trained; save it with the "
                f"cfg (or args) of its training beside the model"
            )
        return name

    def _check_registered(self, user_dir: Any) -> None:
        # never imported unasked: a file would have its reader run a program
        for option, name, registry in (
            ("task", self.task, TASK_REGISTRY),
            ("arch", self.arch, ARCH_MODEL_REGISTRY),
            ("optimizer", self.optimizer, OPTIMIZER_REGISTRY),
        ):
            if name not in registry:
                where = f" --user-dir {user_dir}" if user_dir else " --user-dir with your plugin"
                raise PruneError(
                    f"{self.path} was trained with --{option} {name}, which is not known here; "
                    f"give{where}, if you trust it"
                )


def _plain(section: Any) -> Any:
    if not OmegaConf.is_config(section):
        return section
    return OmegaConf.to_container(section, resolve=True)


def _flattened(section: Mapping[str, Any], prefix: str = "") -> Dict[str, Any]:
    flat: Dict[str, Any] = {}
    for name, value in section.items():
        if isinstance(value, Mapping):
            flat.update(_flattened(value, f"{prefix}{name}_"))
        elif name != "_name":
            flat[f"{prefix}{name}"] = value
    return flat
