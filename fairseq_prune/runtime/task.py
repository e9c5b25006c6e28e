"""``--prune-runtime`` for tasks."""

import functools
import inspect
import logging
from argparse import Namespace
from typing import Any

import torch
from fairseq.search import BeamSearch
from omegaconf import OmegaConf

from ..fairseq_fixes.reading import map_checkpoints
from ..mixed_into import Task
from ..pruning import PruneError
from .convert import check_runtime, convert_, has_products, unwritten
from .generator import settings_of, use_engine_
from .search import TwoStepBeamSearch
from .summary import say_summary

logger = logging.getLogger("fairseq_prune")


class RuntimeMixin(Task):
    """For tasks: models that are loaded to decode get the products that are asked for."""

    @property
    def prune_cfg(self):
        """The config with the ``--prune-*`` options; some tasks keep it as ``args``."""
        return self.args if self.cfg is None else self.cfg

    @classmethod
    def setup_task(cls, cfg, **kwargs):
        runtime = getattr(cfg, "prune_runtime", "dense")
        try:
            check_runtime(runtime)
            if runtime != "dense":
                _check_place(runtime, cfg)
                map_checkpoints()
        except PruneError as error:
            raise SystemExit(f"fairseq_prune: error: {error}") from error
        return super().setup_task(cfg, **kwargs)

    # fairseq looks for from_checkpoint in this very signature
    def build_model(self, cfg, from_checkpoint=False):
        runtime = getattr(self.prune_cfg, "prune_runtime", "dense")
        build = super().build_model
        if "from_checkpoint" in inspect.signature(build).parameters:
            build = functools.partial(build, from_checkpoint=from_checkpoint)
        if runtime == "dense":
            return build(cfg)
        if not from_checkpoint:
            raise SystemExit(
                "fairseq_prune: error: --prune-runtime is for decoding (fairseq-generate, "
                "fairseq-interactive); leave it out of training"
            )
        with unwritten():
            model = build(cfg)
        convert_(model, runtime)
        model.engine_settings = settings_of(cfg)
        return model

    def build_generator(self, models, args, *rest, **kwargs):
        generator = super().build_generator(models, args, *rest, **kwargs)
        if any(has_products(model) for model in models):
            if use_engine_(generator, models):
                logger.info("the engine runs the whole search")
                if self.prune_cfg.prune_runtime == "auto":
                    say_summary("auto", models[0])
            elif type(getattr(generator, "search", None)) is BeamSearch:
                generator.search = TwoStepBeamSearch(self.target_dictionary)
            if self.prune_cfg.prune_runtime in ("int8", "auto"):
                logger.info(
                    "int8 rounds weights, and auto may choose it: translations can change; "
                    "fairseq-prune compare says how many do, and what BLEU"
                )
        return generator


def _check_place(runtime: str, cfg) -> None:
    common: Any = None
    if isinstance(cfg, Namespace):
        common = cfg
    elif OmegaConf.is_config(cfg):
        common = getattr(cfg._get_parent(), "common", None)
    if common is None:
        return
    if torch.cuda.is_available() and not common.cpu:
        raise PruneError(
            f"--prune-runtime {runtime} decodes on the CPU; add --cpu, or use --prune-runtime dense"
        )
    if common.fp16 or common.bf16:
        raise PruneError(f"--prune-runtime {runtime} takes no --fp16 and no --bf16; leave it out")
