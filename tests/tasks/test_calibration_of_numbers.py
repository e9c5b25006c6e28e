"""Calibration of a model that is one product: half precision, what is no number, batches."""

import contextlib

import numpy
import pytest
import torch
from fairseq.criterions import FairseqCriterion
from fairseq.data import FairseqDataset
from fairseq.models import BaseFairseqModel
from fairseq.tasks import FairseqTask
from torch import nn

import fairseq_prune  # noqa: F401  (registers)
from fairseq_prune.pruning import PruneError, Statistic
from fairseq_prune.pruning.choice import Calibration
from fairseq_prune.pruning.statistics import AbsoluteGradients, SquaredGradients
from fairseq_prune.tasks import calibration_data
from fairseq_prune.tasks.calibration import calibrate

USUAL = Calibration()


class Numbers(FairseqDataset):
    """Vectors of two numbers, in batches of one or of several models."""

    def __init__(self, rows, models=()):
        self.rows, self.models = rows, models

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        return self.rows[index]

    def size(self, index):
        return 1

    num_tokens = size

    def num_tokens_vec(self, indices):
        return numpy.ones(len(indices), dtype=numpy.int64)

    def collater(self, rows):
        batch = {"id": list(range(len(rows))), "net_input": {"x": torch.stack(rows)}}
        return {name: batch for name in self.models} if self.models else batch


class NumbersTask(FairseqTask):
    def __init__(self, rows, models=()):
        super().__init__(None)
        self.datasets["train"] = Numbers(rows, models)

    def train_step(self, sample, model, criterion, optimizer, update_num, ignore_grad=False):
        if "net_input" in sample:
            args = (sample, model, criterion, optimizer, update_num)
            return super().train_step(*args, ignore_grad)
        sizes = [self.train_step(part, model, criterion, optimizer, update_num)[1]
                 for part in sample.values()]  # fmt: skip
        return 0.0, sum(sizes), {}


class Product(BaseFairseqModel):
    """Its gradient is the sum of the rows, as far as its type goes."""

    def __init__(self, kind=torch.float32):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1, 2, dtype=kind))

    def max_positions(self):
        return None

    def forward(self, x):
        return self.weight * x


class Sum(FairseqCriterion):
    def __init__(self):
        super().__init__(None)
        self.types, self.seen = set(), []

    def forward(self, model, sample):
        self.seen.append(sample["net_input"]["x"])
        product = model(**sample["net_input"])
        self.types.add(product.dtype)
        return product.sum(), len(sample["id"]), {}


def found_by(task, model, criterion, statistic=AbsoluteGradients, how=USUAL):
    return calibrate(task, task.train_step, model, criterion, statistic(), ["weight"], how)


def numbers(rows, kind=torch.float32):
    criterion = Sum()
    found = found_by(NumbersTask(rows), Product(kind), criterion)
    assert criterion.types == {kind}
    return found["weight"]


@pytest.mark.parametrize("asked, taken", [(None, 48), (10, 16), (100, 112)])
def test_as_many_samples_as_the_statistic_takes_unless_others_are_asked_for(asked, taken):
    class Few(AbsoluteGradients):
        samples = 40

    rows, criterion = [torch.ones(2)] * 200, Sum()
    found_by(NumbersTask(rows), Product(), criterion, Few, Calibration(samples=asked))
    # whole batches
    assert sum(map(len, criterion.seen)) == taken


def test_a_statistic_sees_the_model_at_work():
    """In each batch, once more where its float16 gradients have overflown."""
    open_now, events = [], []

    class Watching(AbsoluteGradients):
        @contextlib.contextmanager
        def watching(self, weights):
            assert list(weights) == ["weight"]
            open_now.append(True)
            yield
            open_now.clear()
            events.append("watched")

        def take(self, name, gradient):
            assert not open_now
            events.append("taken")
            super().take(name, gradient)

    class Seen(Sum):
        def forward(self, model, sample):
            assert open_now
            return super().forward(model, sample)

    rows = [torch.tensor([100.0, 1.0])] * 20
    found_by(NumbersTask(rows), Product(), Seen(), Watching)
    assert events == ["watched", "taken"] * 2
    events.clear()
    found_by(NumbersTask(rows), Product(torch.float16), Seen(), Watching)
    assert events[-2:] == ["watched", "taken"] and events.count("watched") > 2
    assert events.count("taken") == 2


class TestHalfPrecision:
    def test_gradients_are_unscaled_and_float32(self):
        """Of which the second is lost in float16 if it is not scaled meanwhile."""
        rows = [torch.tensor([0.5, 1e-7])] * 8
        found = numbers(rows, torch.float16)
        assert found.dtype == torch.float32
        assert torch.allclose(found, numbers(rows), rtol=0.2)
        assert float(rows[0].half()[1]) * 0.5 < 6e-8

    def test_a_scale_that_overflows_is_halved(self):
        """8 rows of 100, 1024 times: beyond 65504."""
        rows = [torch.tensor([100.0, 1.0])] * 8
        assert torch.equal(numbers(rows, torch.float16), torch.tensor([[100.0, 1.0]]))

    def test_what_overflows_without_a_scale_is_named(self):
        rows = [torch.tensor([1.0, 30000.0])] * 8
        with pytest.raises(PruneError, match="the gradient of weight is NaN or inf.* in batch 1 "):
            numbers(rows, torch.float16)


def test_a_gradient_that_is_no_number_is_named_with_its_batch():
    rows = [torch.tensor([1.0, 2.0])] * (3 * calibration_data.BATCH)
    rows[5] = torch.tensor([1.0, float("inf")])
    task, found = NumbersTask(rows), []

    class Kept(Statistic):
        def of_gradient(self, gradient):
            found.append(gradient)
            return gradient

    with pytest.raises(PruneError, match="the gradient of weight is NaN or infinite in batch") as e:
        found_by(task, Product(), Sum(), Kept)
    # those before it were taken in
    assert f"in batch {len(found) + 1} of the calibration" in str(e.value)


def test_batches_of_several_models():
    """Each is of as many sentences as its parts have, and its gradient is that of all of them."""
    rows = [torch.tensor([float(k), 1.0]) for k in range(64)]
    task, criterion = NumbersTask(rows, models=("en-de", "de-en")), Sum()
    found = found_by(task, Product(), criterion, AbsoluteGradients, Calibration(samples=64))
    first, also_first, second, _ = criterion.seen
    assert len(first) == calibration_data.BATCH and torch.equal(first, also_first)
    expected = (first.mean(0) + second.mean(0)) / 2
    assert torch.allclose(found["weight"][0], expected)


@pytest.mark.parametrize(
    "said",
    [
        "CUDA out of memory. Tried to allocate 2 TiB\n(GPU 0)",
        "[enforce fail at alloc_cpu.cpp:128] . DefaultCPUAllocator: can't allocate memory: you ...",
    ],
)
@pytest.mark.parametrize("where", ["step", "statistic"])
def test_memory_that_runs_out_is_a_sentence(said, where):
    """fairseq's trainer would leave the batch out, and go on without a mask."""

    def fails(*args, **kwargs):
        raise RuntimeError(said)

    task, kind = NumbersTask([torch.ones(2)] * 4), type("Large", (SquaredGradients,), {})
    if where == "step":
        task.train_step = fails
    else:
        kind.settle = fails
    with pytest.raises(PruneError) as caught:
        found_by(task, Product(), Sum(), kind)
    told = said.split("\n")[0]
    assert f"the calibration needs more memory than there is ({told}); take" in str(caught.value)
