"""Where ``fairseq-prune distill`` decodes."""

import pytest

from fairseq_prune.sequence.request import Request, difference, usual_runtime


@pytest.mark.parametrize("gpu, cpu, runtime", [(1, 0, "dense"), (1, 1, "auto"), (0, 0, "auto")])
def test_a_gpu_is_used_where_there_is_one(monkeypatch, gpu, cpu, runtime):
    monkeypatch.setattr("torch.cuda.is_available", lambda: bool(gpu))
    assert usual_runtime(bool(cpu)) == runtime


def test_work_goes_on_wherever():
    """What was begun before there was --cpu, too."""
    words = {"source": "c", "data": "d", "subset": "train", "by": "beam", "beam": 5,
             "max_len_a": 0, "max_len_b": 200, "lenpen": 1, "batch_size": None,
             "max_tokens": None, "runtime": "dense", "keep_reference": False}  # fmt: skip
    assert difference(words, Request(**words, cpu=True)) is None
    assert "--runtime" in difference({**words, "runtime": "auto"}, Request(**words))
