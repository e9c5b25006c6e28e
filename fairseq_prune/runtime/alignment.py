"""Which source word each target word was made of, in the forms that fairseq's commands want."""

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
