"""The paired bootstrap, against the command line of sacrebleu itself."""

import random
import re

import pytest
from commands import run

from fairseq_prune.analysis.significance import differences
from fairseq_prune.pruning import PruneError


def sentences(count, seed):
    rng = random.Random(seed)
    return [
        " ".join(rng.choice("abcdefgh") * 2 for _ in range(rng.randint(4, 9))) for _ in range(count)
    ]


def changed(lines, share, seed):
    rng = random.Random(seed)
    return [
        " ".join("xx" if rng.random() < share else word for word in line.split()) for line in lines
    ]


@pytest.fixture(scope="module")
def systems():
    right = sentences(40, 0)
    return changed(right, 0.1, 1), changed(right, 0.15, 2), right


def test_as_the_command_line_has_it(systems, tmp_path):
    dense_lines, packed_lines, right = systems
    paths = []
    for name, lines in zip(("dense", "packed", "reference"), systems):
        paths.append(tmp_path / name)
        paths[-1].write_text("".join(f"{line}\n" for line in lines))
    dense, packed, reference = paths
    # as a text: numpy 2 makes numbers of its JSON that it cannot write
    said = run(
        "sacrebleu", reference, "-i", dense, packed, "-m", "bleu", "chrf", "--paired-bs", "-w", "4",
        "-f", "text",
    )  # fmt: skip
    number = r"([\d.]+)"
    rows = re.findall(rf"{number} \({number} ± {number}\)", said)
    baseline, system = (list(zip(*[map(float, row) for row in rows[k : k + 2]])) for k in (0, 2))
    p = [float(x) for x in re.findall(rf"\(p = {number}\)", said)]
    found = differences(dense_lines, packed_lines, right)
    assert [d.metric for d in found] == ["BLEU", "chrF"] and len(p) == 2
    for k, d in enumerate(found):
        assert d.baseline == pytest.approx(baseline[0][k], abs=1e-4)
        assert d.system == pytest.approx(system[0][k], abs=1e-4)
        assert d.intervals == pytest.approx((baseline[2][k], system[2][k]), abs=1e-4)
        assert d.p == pytest.approx(p[k], abs=1e-4)
        assert d.signature in said


def test_equal_and_very_different_systems(systems):
    dense, _, right = systems
    same = differences(dense, dense, right)
    assert all(d.baseline == d.system and d.p == 1 for d in same)
    bad = differences(dense, ["nothing"] * len(right), right)
    assert all(d.system < d.baseline and d.p < 0.01 for d in bad)


def test_case_and_tokens_count_as_said(systems):
    dense, packed, right = systems
    upper = [line.upper() for line in dense]
    assert differences(upper, packed, right)[0].baseline == 0
    found = differences(upper, packed, right, lowercase=True, tokenize="none")[0]
    assert found.baseline > 50 and "case:lc" in found.signature and "tok:none" in found.signature


@pytest.mark.parametrize("lines", [([], [], []), (["a"], ["a", "b"], ["a"])])
def test_nothing_to_compare(lines):
    with pytest.raises(PruneError, match="sentences to compare"):
        differences(*lines)
