"""What calibration says of weights, against gradients made by hand, and what it leaves alone."""

import copy
import random
from argparse import Namespace

import numpy
import pytest
import torch
from fairseq.criterions.cross_entropy import CrossEntropyCriterion
from fairseq.data import Dictionary, LanguagePairDataset
from fairseq.models.transformer import TransformerConfig, TransformerModelBase
from fairseq.optim import OPTIMIZER_REGISTRY
from fairseq.tasks.translation import TranslationConfig, TranslationTask
from torch import nn

import fairseq_prune  # noqa: F401  (registers)
from fairseq_prune.fairseq_fixes.own_weights import encode_with_own_weights
from fairseq_prune.parameters.kinds import is_copy
from fairseq_prune.pruning import PruneError, prune
from fairseq_prune.pruning.choice import Calibration
from fairseq_prune.pruning.statistics import AbsoluteGradients, SquaredGradients
from fairseq_prune.tasks import calibration_data
from fairseq_prune.tasks.calibration import calibrate
from fairseq_prune.tasks.optimizer_statistics import check_remembers
from fairseq_prune.tasks.target import check_target

WORDS, PAIRS = 12, 70
USUAL = Calibration()


def vocabulary():
    words = Dictionary()
    for k in range(WORDS - len(words)):
        words.add_symbol(f"w{k}")
    return words


def translation():
    """A task with a set of random sentences."""
    words, rng = vocabulary(), numpy.random.RandomState(0)
    task = TranslationTask(TranslationConfig(), words, words)
    sentences = [
        torch.tensor([*rng.randint(4, WORDS, size=rng.randint(1, 7)), words.eos()])
        for _ in range(PAIRS)
    ]
    sizes = numpy.array([len(s) for s in sentences])
    task.datasets["train"] = LanguagePairDataset(
        sentences, sizes, words, sentences[::-1], sizes[::-1], words
    )
    return task


def transformer(task, tied=True):
    """With dropout, and layers that drop out."""
    cfg = TransformerConfig(dropout=0.5, share_decoder_input_output_embed=tied)
    for side in (cfg.encoder, cfg.decoder):
        side.embed_dim = side.ffn_embed_dim = 8
        side.layers, side.attention_heads, side.layerdrop = 2, 2, 0.5
    cfg.decoder.input_dim = cfg.decoder.output_dim = 8
    torch.manual_seed(0)
    return TransformerModelBase.build_model(cfg, task)


@pytest.fixture
def task():
    return translation()


@pytest.fixture
def model(task):
    return transformer(task).train()


class Loss(CrossEntropyCriterion):
    """That notes the batches it sees, and has a parameter of its own."""

    def __init__(self, task):
        super().__init__(task, sentence_avg=False)
        self.seen = []
        self.own = nn.Parameter(torch.ones(()))

    def forward(self, model, sample, reduce=True):
        self.seen.append(sample)
        loss, size, logged = super().forward(model, sample)
        return loss * self.own, size, logged


@pytest.fixture
def criterion(task):
    return Loss(task)


def weights_of(model):
    return [n for n, p in model.named_parameters() if p.dim() == 2 and not is_copy(n)]


def found_by(task, model, criterion, statistic=SquaredGradients, how=USUAL, **more):
    names = weights_of(model)
    return calibrate(task, task.train_step, model, criterion, statistic(), names, how, **more)


def gradients(model, criterion, batch):
    """Of the mean loss of a token, by name, in evaluation mode."""
    model.eval()
    loss, size, _ = criterion(model, batch)
    named = dict(model.named_parameters())
    found = torch.autograd.grad(loss / size, list(named.values()), allow_unused=True)
    return dict(zip(named, found))


@pytest.mark.parametrize(
    "kind, of", [(SquaredGradients, torch.square), (AbsoluteGradients, torch.abs)]
)
def test_statistics_are_means_over_the_batches(task, model, criterion, kind, of):
    """Without dropout and with all layers, though the task's step asks for training mode."""
    found = found_by(task, model, criterion, kind)
    batches, criterion.seen = criterion.seen, []
    assert sorted(int(k) for batch in batches for k in batch["id"]) == list(range(PAIRS))
    assert max(batch["nsentences"] for batch in batches) == calibration_data.BATCH
    each = [gradients(model, criterion, batch) for batch in batches]
    assert found.keys() == set(weights_of(model))
    for name, mean in found.items():
        expected = torch.stack([of(g[name].double()) for g in each]).mean(0)
        assert mean.dtype == torch.float32 and mean.any()
        assert torch.allclose(mean.double(), expected, rtol=1e-4, atol=1e-12)


def test_a_tied_weight_has_the_gradients_of_all_its_uses(task, model, criterion):
    """Those of a model that has it twice, summed."""
    found = found_by(task, model, criterion)
    table, output = "decoder.embed_tokens.weight", "decoder.output_projection.weight"
    assert table in found and output not in found
    apart = transformer(task, tied=False)
    apart.load_state_dict(model.state_dict())
    encode_with_own_weights(apart)
    batches = list(criterion.seen)
    each = [gradients(apart, criterion, batch) for batch in batches]
    expected = torch.stack([(g[table] + g[output]).square() for g in each]).mean(0)
    assert torch.allclose(found[table], expected, rtol=1e-3, atol=1e-12)
    one_use = torch.stack([g[table].square() for g in each]).mean(0)
    assert not torch.allclose(found[table], one_use, rtol=0.1)


def test_all_is_as_before_afterwards(task, model, criterion):
    model.encoder.layers[0].eval()
    model.decoder.layers[1].fc1.weight.requires_grad_(False)
    parameters = [*model.parameters(), criterion.own]
    for k, parameter in enumerate(parameters):
        parameter.grad = torch.full_like(parameter, float(k)) if k % 3 else None
    held = [(p, p.grad, None if p.grad is None else p.grad.clone()) for p in parameters]
    needed = [p.requires_grad for p in parameters]
    values = copy.deepcopy(model.state_dict())
    modes = {name: module.training for name, module in model.named_modules()}
    torch.manual_seed(5), numpy.random.seed(6), random.seed(7)
    states = torch.get_rng_state(), numpy.random.get_state(), random.getstate()

    found_by(task, model, criterion)

    for parameter, gradient, content in held:
        assert parameter.grad is gradient
        assert gradient is None or torch.equal(gradient, content)
    assert [p.requires_grad for p in parameters] == needed
    assert all(torch.equal(v, values[name]) for name, v in model.state_dict().items())
    assert {name: module.training for name, module in model.named_modules()} == modes
    assert criterion.training and "train" not in vars(model)
    assert torch.equal(torch.get_rng_state(), states[0])
    assert str(numpy.random.get_state()) == str(states[1]) and random.getstate() == states[2]


def test_so_it_is_after_a_failure(task, model, criterion):
    with torch.no_grad():
        model.decoder.layers[0].fc1.weight.fill_(float("nan"))
    states = torch.get_rng_state(), random.getstate()
    with pytest.raises(PruneError):
        found_by(task, model, criterion)
    assert all(p.grad is None for p in model.parameters())
    assert model.training and model.decoder.layers[0].training and "train" not in vars(model)
    assert torch.equal(torch.get_rng_state(), states[0]) and random.getstate() == states[1]


def test_batches_to_train_on_are_none_the_wiser(task, model, criterion):
    def rest(interrupted):
        task.dataset_to_epoch_iter.clear()
        made = task.get_batch_iterator(task.dataset("train"), max_sentences=8, epoch=1)
        batches = iter(made.next_epoch_itr(shuffle=True))
        first = [next(batches)["id"].tolist() for _ in range(2)]
        before = dict(task.dataset_to_epoch_iter)
        if interrupted:
            found_by(task, model, criterion)
        assert task.dataset_to_epoch_iter == before
        first += [batch["id"].tolist() for batch in batches]
        return first + [b["id"].tolist() for b in made.next_epoch_itr(shuffle=True)]

    assert rest(True) == rest(False)


def test_the_seed_says_which_sentences(task, model, criterion):
    def drawn(seed, epoch=1):
        criterion.seen = []
        found = found_by(task, model, criterion, how=Calibration("train", 32, seed), epoch=epoch)
        ids = [batch["id"].tolist() for batch in criterion.seen]
        assert 32 <= sum(map(len, ids)) < 32 + calibration_data.BATCH
        return found, ids

    one, ids = drawn(1)
    torch.manual_seed(99), numpy.random.seed(98), random.seed(97)
    again, same = drawn(1)
    assert ids == same and all(torch.equal(one[name], again[name]) for name in one)
    for other, others in (drawn(2), drawn(1, epoch=2)):
        assert others != ids
        assert not torch.equal(one["decoder.layers.0.fc1.weight"],
                               other["decoder.layers.0.fc1.weight"])  # fmt: skip


def test_a_loss_that_draws_random_numbers_draws_the_same(task, model, criterion):
    class Noisy(Loss):
        def forward(self, model, sample, reduce=True):
            noise = torch.rand(()) + numpy.random.rand() + random.random()
            loss, size, logged = super().forward(model, sample)
            return loss * noise, size, logged

    found = []
    for seed in (1, 2):
        torch.manual_seed(seed), numpy.random.seed(seed), random.seed(seed)
        found.append(found_by(task, model, Noisy(task)))
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])


def test_what_is_frozen_is_refused_by_name(task, model, criterion):
    name = "encoder.layers.1.fc2.weight"
    named = dict(model.named_parameters())
    named[name].requires_grad_(False)
    found = found_by(task, model, criterion)
    assert name not in found and len(found) == len(weights_of(model)) - 1
    weights = {n: named[n].data for n in weights_of(model)}
    with pytest.raises(PruneError, match=f"{name} has no statistics for score fisher .*frozen"):
        prune(weights, dict.fromkeys(weights, "all"), "class-blind", 0.5, None, "fisher",
              statistics=found)  # fmt: skip


def test_an_optimizer_without_adams_moments_is_known():
    """And no other entry of a state is, which a score of one's own may be of."""
    sgd, adam = (OPTIMIZER_REGISTRY[f"pruned_{name}"] for name in ("sgd", "adam"))
    with pytest.raises(PruneError, match="which --optimizer pruned_sgd has not; take pruned_adam"):
        check_remembers("exp_avg_sq", sgd)
    check_remembers("exp_avg_sq", adam)
    check_remembers("momentum_buffer", sgd)
    check_remembers("movement", sgd)


@pytest.mark.parametrize("score", ["kron", "movement", "adam", "fisher"])
def test_what_is_frozen_is_refused_before_training(model, score):
    cfg = Namespace(
        prune_scheme="class-blind", prune_score=score, prune_sparsity=0.5, prune_mask_from=None,
        prune_schedule="one-shot", prune_begin=5, prune_include=None, prune_exclude=None,
        prune_floor=0.0, prune_row_floor=None, restore_file="x.pt", finetune_from_model=None,
        checkpoint_suffix="", reset_optimizer=False,
    )  # fmt: skip
    check_target(cfg, None, model)
    name, weight = next((n, w) for n, w in model.named_parameters() if w.dim() > 1)
    weight.requires_grad_(False)
    with pytest.raises(PruneError, match=f"{name} has no statistics for score {score} .*frozen"):
        check_target(cfg, None, model)
    check_target(Namespace(**{**vars(cfg), "prune_score": "magnitude"}), None, model)
    check_target(Namespace(**{**vars(cfg), "prune_exclude": name}), None, model)


def test_progress_is_a_share_of_what_there_is(task, model, criterion):
    for samples, most in ((32, 32 + calibration_data.BATCH), (9999, PAIRS)):
        said = []
        how = Calibration("train", samples)
        found_by(task, model, criterion, how=how, progress=lambda *now, to=said: to.append(now))
        assert [done for done, _ in said] == sorted({done for done, _ in said})
        shares = [share for _, share in said]
        assert shares == sorted(shares) and 0 < shares[0] < shares[-1] == 1
        assert said[-1][0] <= most


def test_sentences_longer_than_a_batch(task, model, criterion, monkeypatch):
    monkeypatch.setattr(calibration_data, "MAX_TOKENS", 2)
    found_by(task, model, criterion)
    assert sum(batch["nsentences"] for batch in criterion.seen) == PAIRS


def test_sets_that_are_not_there(task, model, criterion, tmp_path):
    task.cfg.data, task.cfg.source_lang, task.cfg.target_lang = str(tmp_path), "en", "de"
    with pytest.raises(PruneError, match="subset tuning is not there to calibrate with .*; name"):
        found_by(task, model, criterion, how=Calibration("tuning"))
    words = task.source_dictionary
    task.datasets["none"] = LanguagePairDataset([], numpy.array([]), words, [], numpy.array([]))
    with pytest.raises(PruneError, match="there is no sentence in none to calibrate with; name an"):
        found_by(task, model, criterion, how=Calibration("none"))


def test_gradients_are_not_held_twice(task, model, criterion, monkeypatch):
    """They go where autograd has put them, and the parameters have none beside."""
    named = dict(model.named_parameters())
    places = set()
    backward = torch.Tensor.backward

    def kept(loss):
        backward(loss)
        places.update(p.grad.data_ptr() for p in named.values() if p.grad is not None)

    monkeypatch.setattr(torch.Tensor, "backward", kept)

    class Places(SquaredGradients):
        def take(self, name, gradient):
            assert gradient.data_ptr() in places and named[name].grad is None
            super().take(name, gradient)

    assert found_by(task, model, criterion, Places)


def test_a_weight_that_is_no_number_is_named_and_not_what_it_spoils(task, model, criterion):
    name = list(dict(model.named_parameters()))[-1]
    with torch.no_grad():
        model.get_parameter(name).view(-1)[1] = float("nan")
    with pytest.raises(PruneError, match=f"^{name} holds NaN or infinite weights"):
        found_by(task, model, criterion)
