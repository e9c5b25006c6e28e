"""The criterion on small models: what it computes, and what it leaves alone."""

import copy
import math
import random
from types import SimpleNamespace

import numpy
import pytest
import torch
from fairseq.criterions.label_smoothed_cross_entropy import LabelSmoothedCrossEntropyCriterion
from fairseq.data import Dictionary
from fairseq.models import BaseFairseqModel
from fairseq.modules import AdaptiveSoftmax
from fairseq.tasks import FairseqTask
from torch import nn

import fairseq_prune  # noqa: F401  (registers)
from fairseq_prune.criterions import distillation
from fairseq_prune.criterions.distillation import DistillationCriterion
from fairseq_prune.criterions.teacher import Teacher, load_teacher
from fairseq_prune.fairseq_fixes.teachers import check_student
from fairseq_prune.pruning import PruneError

WORDS, SENTENCES, LENGTH = 9, 4, 5


class Task(FairseqTask):
    def __init__(self):
        super().__init__(None)
        words = Dictionary()
        for k in range(WORDS - len(words)):
            words.add_symbol(f"w{k}")
        self.words = words

    source_dictionary = target_dictionary = property(lambda self: self.words)


class Model(BaseFairseqModel):
    """Logits of each next word, from the one before."""

    def __init__(self, seed, longest=LENGTH, dropout=0.0):
        super().__init__()
        torch.manual_seed(seed)
        self.table = nn.Parameter(torch.randn(WORDS, WORDS))
        self.longest, self.dropout = longest, nn.Dropout(dropout)

    def forward(self, src_tokens, prev_output_tokens):
        return self.dropout(self.table[prev_output_tokens])

    def max_positions(self):
        return (self.longest, self.longest)


@pytest.fixture
def task():
    return Task()


@pytest.fixture
def sample(task):
    rng = random.Random(0)
    target = torch.full((SENTENCES, LENGTH), task.target_dictionary.pad())
    for row, length in zip(target, (5, 3, 2, 1)):
        row[:length] = torch.tensor([rng.randrange(4, WORDS) for _ in range(length)])
    tokens = {"src_tokens": target, "prev_output_tokens": target.roll(1, dims=1)}
    return {"net_input": tokens, "target": target, "ntokens": 11}


def criterion(task, teacher, weight=0.7, temperature=2.0, smoothing=0.1, average=False, prefix=0):
    made = DistillationCriterion(
        task, average, smoothing, ignore_prefix_size=prefix, teacher_weight=weight,
        teacher_temperature=temperature,
    )  # fmt: skip
    made.teacher = Teacher("t.pt", teacher)
    return made.train()


def by_hand(student, teacher, sample, weight, temperature, smoothing, prefix=0):
    """(1 - w) cross entropy + w T^2 KL, over what is no padding, in float64; nats."""
    total = 0.0
    for before, words in zip(sample["net_input"]["prev_output_tokens"], sample["target"]):
        for position, (previous, word) in enumerate(zip(before.tolist(), words.tolist())):
            if word == 1 or position < prefix:
                continue
            own, wanted = (model.table.double()[previous] for model in (student, teacher))
            q = (own.exp() / own.exp().sum()).log()
            share = smoothing / (WORDS - 1)
            entropy = -(1 - smoothing - share) * q[word] - share * q.sum()
            p, q = (
                ((x / temperature).exp() / (x / temperature).exp().sum()) for x in (wanted, own)
            )
            divergence = sum(p[k] * (p[k].log() - q[k].log()) for k in range(WORDS))
            total = total + (1 - weight) * entropy + weight * temperature**2 * divergence
    return total


@pytest.mark.parametrize("smoothing, prefix", [(0.0, 0), (0.1, 0), (0.1, 1)])
@pytest.mark.parametrize("weight, temperature", [(0.7, 1.0), (0.5, 2.0), (1.0, 0.5)])
def test_loss_and_gradient_as_written_out(task, sample, smoothing, prefix, weight, temperature):
    student, teacher = Model(1), Model(2)
    made = criterion(task, teacher, weight, temperature, smoothing, prefix=prefix)
    loss, size, logged = made(student, sample)
    loss.backward()
    other = Model(1)
    expected = by_hand(other, teacher, sample, weight, temperature, smoothing, prefix)
    expected.backward()
    assert size == 11
    assert float(loss) == pytest.approx(float(expected), rel=1e-5)
    torch.testing.assert_close(student.table.grad, other.table.grad, rtol=1e-4, atol=1e-5)
    divergence = by_hand(student, teacher, sample, 1, temperature, 0, prefix) / temperature**2
    assert float(logged["teacher_kl"]) == pytest.approx(float(divergence), rel=1e-4)
    losses, _, _ = made(student, sample, reduce=False)
    assert losses.shape[-1] == 1 and float(losses.sum()) == pytest.approx(float(loss), rel=1e-5)


def test_sample_size_is_of_sentences_where_asked(task, sample):
    _, size, _ = criterion(task, Model(2), average=True)(Model(1), sample)
    assert size == SENTENCES


@pytest.mark.parametrize("training, weight", [(False, 0.7), (True, 0.0)])
def test_teacher_that_is_not_asked(task, sample, training, weight):
    """In evaluation, and with weight 0: fairseq's own criterion, to the last bit."""
    made = criterion(task, Model(2), weight).train(training)
    made.teacher = None
    loss, size, logged = made(Model(1), sample)
    stock = LabelSmoothedCrossEntropyCriterion(task, False, 0.1)
    expected, _, expected_log = stock(Model(1), sample)
    assert torch.equal(loss, expected) and logged == expected_log


def test_teacher_is_no_part_of_the_criterion(task, sample):
    """Its dropout is off, its weights get no gradients, nothing is trained or saved of it."""
    student, teacher = Model(1), Model(2, dropout=0.5)
    made = criterion(task, teacher, weight=1.0)
    assert not list(made.parameters()) and not made.state_dict()
    before = copy.deepcopy(teacher.state_dict())
    made.train()
    random_state = torch.get_rng_state()
    losses = []
    for _ in range(2):
        loss, _, _ = made(student, sample)
        loss.backward()
        losses.append(float(loss))
    assert losses[0] == losses[1] and torch.equal(torch.get_rng_state(), random_state)
    assert teacher.table.grad is None and torch.equal(before["table"], teacher.table)


def test_teacher_goes_where_its_student_is_and_computes_in_its_numbers(task, sample):
    teacher = Model(2)
    made, digest = criterion(task, teacher), Teacher("t.pt", Model(2)).digest
    loss, _, _ = made(Model(1).bfloat16(), sample)
    assert teacher.table.dtype == torch.bfloat16 and loss.dtype == torch.float32
    exact, _, _ = criterion(task, Model(2))(Model(1), sample)
    assert float(loss) == pytest.approx(float(exact), rel=2e-2)
    assert made.teacher.digest == digest != Teacher("t.pt", Model(3)).digest


class TimeFirst(BaseFairseqModel):
    """A softmax of states that lie time first, as a Transformer's do."""

    def __init__(self):
        super().__init__()
        self.states = nn.Embedding(WORDS, 3)
        self.softmax = nn.Linear(3, WORDS, bias=False)

    def forward(self, src_tokens, prev_output_tokens):
        return self.softmax(self.states(prev_output_tokens.t()).transpose(0, 1))

    def max_positions(self):
        return (LENGTH, LENGTH)


def test_a_teacher_multiplies_by_its_softmax_once_a_batch(sample):
    """Not sentence by sentence with copies of it, as newer torch does with frozen weights."""

    def products(teacher):
        with torch.profiler.profile() as profiled:
            teacher.ask(Model(1), sample, lambda model, logits: logits)
        return {event.key for event in profiled.key_averages()} & {"aten::mm", "aten::bmm"}

    assert products(Teacher("t.pt", TimeFirst())) == {"aten::mm"}


def test_a_sentence_that_the_teacher_cannot_read(task, sample):
    with pytest.raises(SystemExit, match="--teacher t.pt reads at most 4 source tokens at a time"):
        criterion(task, Model(2, longest=4))(Model(1), sample)


def test_bits_a_token_are_logged(task, sample):
    _, _, logged = criterion(task, Model(2))(Model(1), sample)
    from fairseq.logging import metrics

    with metrics.aggregate(new_root=True) as found:
        DistillationCriterion.reduce_metrics([logged, logged])
    expected = float(logged["teacher_kl"]) / 11 / math.log(2)
    assert found.get_smoothed_values()["teacher_kl"] == pytest.approx(expected, abs=1e-3)
    with metrics.aggregate(new_root=True) as found:
        DistillationCriterion.reduce_metrics([{k: 1 for k in logged if k != "teacher_kl"}])
    assert "teacher_kl" not in found.get_smoothed_values()


@pytest.mark.parametrize("noted", [False, True])
def test_a_teacher_whose_data_are_gone(task, monkeypatch, tmp_path, caplog, noted):
    """Nothing but what it notes itself says which words it knows."""
    path = tmp_path / "t.pt"
    state = {"model": {"table": torch.ones(2, 2)}, "cfg": None}
    torch.save({**state, "dictionaries": {"target": "abc"}} if noted else state, path)

    def gone(*args):
        raise PruneError("there is no folder old-data")

    monkeypatch.setattr(
        "fairseq_prune.criterions.teacher.load", lambda *args: (Model(2), None, task)
    )
    monkeypatch.setattr("fairseq_prune.criterions.teacher.set_up", gone)
    task.cfg = SimpleNamespace(data="data")
    load_teacher(str(path), task)
    said = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert len(said) == (0 if noted else 1)
    assert all("cannot be told" in line and "old-data" in line for line in said)


def test_random_numbers_go_on_as_if_no_teacher_was_made(task, monkeypatch):
    class Config:
        data = None

    def load(*args):
        Model(7)
        numpy.random.rand(), random.random(), torch.rand(1)
        return Model(8), None, task

    monkeypatch.setattr("fairseq_prune.criterions.teacher.load", load)
    monkeypatch.setattr("fairseq_prune.criterions.teacher.set_up", lambda *args: task)
    task.cfg = Config()
    for seed in (numpy.random.seed, random.seed, torch.manual_seed):
        seed(5)
    load_teacher("t.pt", task)
    found = numpy.random.rand(), random.random(), float(torch.rand(1))
    for seed in (numpy.random.seed, random.seed, torch.manual_seed):
        seed(5)
    assert found == (numpy.random.rand(), random.random(), float(torch.rand(1)))


class Adaptive(Model):
    """Whose most frequent words come first."""

    def __init__(self, seed):
        super().__init__(seed)
        self.softmax = AdaptiveSoftmax(WORDS, WORDS, [3, 6], 0.0)

    def get_normalized_probs(self, net_output, log_probs, sample=None):
        return self.softmax.get_log_prob(net_output, None)


def test_an_adaptive_softmax_teaches_but_does_not_learn(task, sample):
    loss, _, logged = criterion(task, Adaptive(2))(Model(1), sample)
    assert float(loss) > 0 and float(logged["teacher_kl"]) > 0
    with pytest.raises(PruneError, match="leave --adaptive-softmax-cutoff out"):
        check_student(Adaptive(1))
    check_student(Model(1))


@pytest.mark.parametrize(
    "options, said",
    [
        ({"teacher_weight": 1.5}, "--teacher-weight 1.5 is out of range"),
        ({"teacher_weight": math.nan}, "--teacher-weight nan is out of range"),
        ({"teacher_temperature": 0.0}, "--teacher-temperature 0.0 is out of range"),
        ({"teacher_temperature": math.inf}, "--teacher-temperature inf is out of range"),
        ({}, "give --teacher CHECKPOINT"),
        ({"teacher": "nowhere.pt"}, "--teacher nowhere.pt: there is no such file"),
        (
            {"finetune_from_model": "nowhere.pt"},
            "--teacher nowhere.pt, which is --finetune-from-model: there is no such file",
        ),
    ],
)
def test_mistakes(task, options, said):
    with pytest.raises(PruneError) as error:
        DistillationCriterion(task, False, 0.1, **options).load_teacher()
    assert said in str(error.value)


def test_help_names_its_sources():
    fields = distillation.DistillationConfig.__dataclass_fields__
    said = [fields[name].metadata["help"] for name in ("teacher_weight", "teacher_temperature")]
    assert all("Hinton et al. 2015" in text for text in said) and "Kim and Rush 2016" in said[0]
