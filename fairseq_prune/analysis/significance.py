"""Whether two systems differ: sacrebleu's paired bootstrap (Koehn 2004)."""

from dataclasses import dataclass
from typing import Any, List, Sequence, Tuple

from sacrebleu.metrics import BLEU, CHRF
from sacrebleu.significance import PairedTest

from ..pruning import PruneError

#: Resamplings, as of ``sacrebleu --paired-bs``.
SAMPLES = 1000
METRICS = ("BLEU", "chrF")


@dataclass(frozen=True)
class Difference:
    """Of two systems' translations of the same sentences.

    Attributes:
        metric: "BLEU" or "chrF".
        baseline, system: scores in points, and ``intervals`` how far their bootstrap means may be
            off (95%).
        p: how probable a difference of this size is if the systems are as good as each other.
        signature: sacrebleu's, with the seed and the number of resamplings.
    """

    metric: str
    baseline: float
    system: float
    intervals: Tuple[float, float]
    p: float
    signature: str


def differences(
    baseline: Sequence[str],
    system: Sequence[str],
    references: Sequence[str],
    tokenize: str = "13a",
    lowercase: bool = False,
) -> List[Difference]:
    """As ``sacrebleu REFERENCES -i BASELINE SYSTEM -m bleu chrf --paired-bs`` has them.

    But for equal scores, of which sacrebleu says p = 0.001 where no resampling makes them differ
    (equal translations, all BLEU 0): here p is 1.

    Args:
        baseline, system, references: a line a sentence, in one order.
        tokenize, lowercase: of BLEU.
    Raises:
        PruneError: there are no sentences, or not as many of each.
    """
    if not references or not len(baseline) == len(system) == len(references):
        raise PruneError(
            f"there are {len(baseline)}, {len(system)} and {len(references)} sentences to compare"
        )
    right = [list(references)]
    metrics = {
        "BLEU": BLEU(tokenize=tokenize, lowercase=lowercase, references=right),
        "chrF": CHRF(references=right),
    }
    systems: List[Tuple[str, Sequence[str]]] = [
        ("baseline", list(baseline)),
        ("system", list(system)),
    ]
    test: Any = PairedTest(systems, metrics, None, "bs", SAMPLES)
    signatures, scores = test()
    results = []
    for name, shown in zip((name for name in scores if name != "System"), METRICS):
        first, second = scores[name]
        results.append(
            Difference(
                shown,
                float(first.score),
                float(second.score),
                (float(first.ci), float(second.ci)),
                1.0 if first.score == second.score else float(second.p_value),
                str(signatures[name]),
            )
        )
    return results
