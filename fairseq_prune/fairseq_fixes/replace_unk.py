"""``--replace-unk``, made to work.

fairseq 0.12 takes the flag without a file name for the file "@@ " (the constant of
another option), and hands ``utils.replace_unk`` an alignment without entries or, with
``--print-alignment``, one of (source, target) pairs, where it expects for each target
word the position of a source word: it fails on the first <unk>.
"""

from omegaconf import OmegaConf

from ..mixed_into import Task
from ..runtime.alignment import AligningGenerator

_NO_FILE = "@@ "


class ReplaceUnkMixin(Task):
    """For tasks: pick ``AligningGenerator`` where --replace-unk asks for it."""

    @classmethod
    def setup_task(cls, cfg, **kwargs):
        options = (
            getattr(cfg._get_parent(), "generation", None) if OmegaConf.is_config(cfg) else None
        )
        if options is not None and options.replace_unk == _NO_FILE:
            options.replace_unk = ""
        return super().setup_task(cfg, **kwargs)

    def build_generator(self, models, args, *rest, **kwargs):
        wanted = getattr(args, "replace_unk", None) is not None
        chosen = rest or kwargs.get("seq_gen_cls") is not None
        if wanted and any(getattr(m.decoder, "attention", m) is None for m in models):
            raise SystemExit(
                "fairseq_prune: error: --replace-unk copies the source word attended to, and "
                "this model has no attention; leave it out"
            )
        if wanted and not chosen and getattr(args, "print_alignment", None) != "soft":
            kwargs["seq_gen_cls"] = AligningGenerator
        return super().build_generator(models, args, *rest, **kwargs)
