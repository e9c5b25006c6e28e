"""Guards: rows of the classes that they name compete alike, however little was seen of some."""

import pytest
import torch

from fairseq_prune.pruning import Inputs, PruneError, check_reachable, find_score, prune, scores_of
from fairseq_prune.pruning.fisher import _fisher_of

ROWS, COLUMNS = 12, 10
GUARDED = ["fisher", "adam", "obs", "kron"]


def weights():
    return {"e": torch.randn(ROWS, COLUMNS, generator=torch.Generator().manual_seed(0))}


def statistics_of(score, gradients):
    """As calibration, or as Adam, has them."""
    made = find_score(score).statistic
    if made is None:
        return {"e": gradients.square().mean(0)}
    statistic = made()
    for gradient in gradients:
        statistic.add({"e": gradient})
    return statistic.mean()


def gradients():
    return torch.randn(40, ROWS, COLUMNS, generator=torch.Generator().manual_seed(1))


def scores(score, given, options="guard=emb"):
    inputs = Inputs(weights(), {"e": "source embedding"}, {}, statistics_of(score, given))
    return scores_of(find_score(f"{score}:{options}").scorers(inputs)["e"], inputs.weights["e"])


@pytest.mark.parametrize("score", GUARDED)
def test_how_often_a_word_comes_is_of_no_matter(score):
    """A row whose gradients are a hundredth of another's has the same scores."""
    often = gradients()
    often[:, 3] = often[:, 4]
    rarely = often.clone()
    rarely[:, 3] /= 100
    size = weights()["e"].abs()
    found = scores(score, rarely) / size
    assert torch.allclose(found[3], found[4], rtol=1e-3)
    found = scores(score, rarely, "guard=") / size
    assert bool((found[3] < 0.8 * found[4]).all())


@pytest.mark.parametrize("score", GUARDED)
def test_what_was_hardly_ever_seen_counts_as_what_was_not(score):
    """The second moment of a word that Adam no longer sees ends at 1e-44, which nothing brings to
    the mean in float32."""
    never, hardly = gradients(), gradients()
    never[:, 3], hardly[:, 3] = 0, 1e-22
    found = scores(score, hardly)
    assert bool(torch.isfinite(found).all())
    assert torch.allclose(found[3], scores(score, never)[3], rtol=1e-3)
    # and that counts as the mean of the class: no less than half of the others, no more than twice
    importance = (found / weights()["e"].abs()).mean(1)
    others = importance[torch.arange(ROWS) != 3].mean()
    assert 0.5 < float(importance[3] / others) < 2


@pytest.mark.parametrize("score", GUARDED)
def test_a_guard_of_no_class_is_refused_before_there_is_data(score):
    w, classes = weights(), {"e": "source embedding"}
    name = f"{score}:guard=embeding"
    said = "score: guard=embeding matches in no weight class; there are source embedding"
    with pytest.raises(PruneError, match=said):
        check_reachable(w, classes, "class-blind", 0.5, score=name)
    with pytest.raises(PruneError, match=said):
        prune(w, classes, "class-blind", 0.5, score=name)
    check_reachable(w, classes, "class-blind", 0.5, score=f"{score}:guard=^source")


@pytest.mark.parametrize("score", GUARDED)
def test_exponents_that_float32_has_no_room_for(score):
    """They would be nearly all 0, and which go a question of their places."""
    w, classes = weights(), {"e": "source embedding"}
    said = "score: exponent=8 is out of range; give 0 to 1"
    for ask in (check_reachable, prune):
        with pytest.raises(PruneError, match=said):
            ask(w, classes, "class-blind", 0.5, score=f"{score}:exponent=8")
    assert bool((scores(score, gradients() * 1e-3, "exponent=1") > 0).all())


def test_a_guard_with_a_comma():
    assert bool((scores("fisher", gradients(), "guard=d{2,}in,exponent=0.5") > 0).all())
    with pytest.raises(PruneError, match="exponent is to be a number"):
        find_score("fisher:exponent=0.5,0.6,guard=x")


@pytest.mark.parametrize("guarded", [False, True])
def test_statistics_of_another_device_than_the_weights(guarded):
    """As Adam's, read from a checkpoint for a model on a GPU."""
    piece = torch.empty(ROWS * COLUMNS, device="meta")
    moments, factors = torch.ones(ROWS, COLUMNS), torch.ones(ROWS) if guarded else None
    found = _fisher_of(moments, 0.25, 0.1, factors, 1.0)(piece, 0)
    assert found.device == piece.device


@pytest.mark.parametrize("score", GUARDED)
def test_a_vector_has_no_rows_to_guard(score):
    """A bias counts as its gradients say, whatever those of the matrix beside it."""
    w = {"e": weights()["e"], "b": torch.ones(ROWS)}
    made = find_score(score).statistic
    given = {"e": gradients() / 100, "b": gradients()[:, :, 0]}
    if made is None:
        statistics = {name: g.square().mean(0) for name, g in given.items()}
    else:
        statistic = made()
        for of_e, of_b in zip(given["e"], given["b"]):
            statistic.add({"e": of_e, "b": of_b})
        statistics = statistic.mean()
    inputs = Inputs(w, {"e": "softmax", "b": "softmax"}, {}, statistics)
    plain, guarded = (
        scores_of(find_score(name).scorers(inputs)["b"], w["b"])
        for name in (score, f"{score}:guard=softmax")
    )
    assert torch.equal(plain, guarded)
