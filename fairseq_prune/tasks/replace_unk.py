"""``--replace-unk``, made to work.

fairseq 0.12 hands ``utils.replace_unk`` an alignment without entries or, with
``--print-alignment``, one of (source, target) pairs, where it expects for each target
word the position of a source word, and fails on the first <unk>.
"""


from fairseq.sequence_generator import SequenceGeneratorWithAlignment


class HardAlignment(list):
    """(source, target) pairs when iterated over; ``self[target]`` is the source position."""

    def __getitem__(self, target):
        for source, aligned in self:
            if aligned == target:
                return source
        return -1  # the source's <eos>: nothing better is known


class AligningGenerator(SequenceGeneratorWithAlignment):
    """Beam search whose alignments serve both --replace-unk and --print-alignment hard."""

    def generate(self, models, sample, **kwargs):
        hypotheses = super().generate(models, sample, **kwargs)
        for beam in hypotheses:
            for hypothesis in beam:
                hypothesis["alignment"] = HardAlignment(hypothesis["alignment"])
        return hypotheses


class ReplaceUnkMixin:
    """For tasks: pick the generator above where --replace-unk asks for it."""

    def build_generator(
        self, models, args, seq_gen_cls=None, extra_gen_cls_kwargs=None, *rest, **kwargs
    ):
        wanted = getattr(args, "replace_unk", None) is not None
        if wanted and seq_gen_cls is None and getattr(args, "print_alignment", None) != "soft":
            seq_gen_cls = AligningGenerator
        return super().build_generator(
            models, args, seq_gen_cls, extra_gen_cls_kwargs, *rest, **kwargs
        )
