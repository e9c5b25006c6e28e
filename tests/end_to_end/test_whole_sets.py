"""Sets whose size is no multiple of eight: all of it is evaluated, training stays as it is."""

import json
import re

import numpy
import pytest
from commands import PLUGIN, equal, run, state_of, train
from fairseq.data import data_utils

import fairseq_prune  # noqa: F401  (fixes fairseq)

#: without --required-batch-size-multiple: eight. Of 300 sentences four are left over, of 30 six.
PLAIN = """
    --arch lstm --encoder-embed-dim 8 --encoder-hidden-size 8 --decoder-embed-dim 8
    --decoder-hidden-size 8 --decoder-out-embed-dim 8 --max-tokens 400 --seed 3 --cpu
    --num-workers 0 --lr 0.5 --log-format json --no-epoch-checkpoints --max-epoch 2
""".split()
EVALUATE = ("--user-dir", PLUGIN, "--cpu", "--num-workers", "0")


@pytest.mark.parametrize("task, batch", [("translation", 8), ("pruned_translation", 1)])
def test_generate_translates_every_sentence(data, dense, task, batch):
    said = run("fairseq-generate", data, *EVALUATE, "--path", dense, "--batch-size", batch,
               "--task", task, "--beam", "1")  # fmt: skip
    assert len(re.findall(r"^H-", said, re.MULTILINE)) == 30
    assert "Translated 30 sentences" in said


def test_validation_is_of_every_sentence_and_training_as_without_the_plugin(data, tmp_path):
    run("fairseq-train", data, "--task", "translation", "--optimizer", "sgd",
        "--save-dir", tmp_path / "without", *PLAIN)  # fmt: skip
    said = train(data, tmp_path / "with", "--task", "pruned_translation", "--optimizer",
                 "pruned_sgd", base=PLAIN)  # fmt: skip
    without, with_it = (state_of(tmp_path / x / "checkpoint_last.pt") for x in ("without", "with"))
    assert equal(dict(without["model"]), dict(with_it["model"]))
    validated = run(
        "fairseq-validate", data, *EVALUATE, "--path", tmp_path / "with" / "checkpoint_last.pt",
        "--valid-subset", "valid", "--batch-size", "100", "--required-batch-size-multiple", "1",
        "--log-format", "json", "--task", "translation",
    )  # fmt: skip
    logged = [json.loads(line) for line in re.findall(r"\{.*valid_loss.*\}", said + validated)]
    assert len(logged) == 3
    # after the last epoch, and the same in one batch of all
    assert abs(float(logged[1]["valid_loss"]) - float(logged[2]["valid_loss"])) < 0.002


@pytest.mark.parametrize("size", [0, 1, 5, 8, 13, 30])
@pytest.mark.parametrize("limits", [{"max_tokens": 40}, {"max_sentences": 3}, {}])
@pytest.mark.parametrize("kind", [numpy.array, list, iter])
def test_every_index_is_in_one_batch(size, limits, kind):
    lengths = numpy.arange(1, 31)
    batches = data_utils.batch_by_size(
        kind(range(size)), num_tokens_fn=lengths.__getitem__, required_batch_size_multiple=8,
        **limits,
    )  # fmt: skip
    assert [index for batch in batches for index in batch] == list(range(size))
