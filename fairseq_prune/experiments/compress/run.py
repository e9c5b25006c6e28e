"""Compressing a checkpoint: the steps, each done once, however often it is interrupted."""

import math
import os
from functools import partial
from typing import Any, Callable, Dict, List, Tuple

from ...checkpoints.dictionaries import fingerprints
from ...checkpoints.packed.pack_file import pack_checkpoint
from ...checkpoints.texts import find_texts
from ...folder_lock import folder_lock
from ..results import versions
from ..rounds import Rounds
from .asked import PACKED_VALUES, Asked
from .card import write_card
from .decode import Decoder, usual_words
from .fit import least_sparsity
from .folder import Folder
from .lengths import described, lengths
from .make_plan import make_plan
from .measure import measured
from .model import averaged, better_of, last_epochs, write_model
from .plan import Plan
from .rounds import Trainer, carry_out, history
from .scores import Scores
from .speed import Speed

Say = Callable[[str], None]
Dictionaries = Dict[str, str]


def dry_run(asked: Asked, say: Say) -> Dict[str, Any]:
    """What would be done; nothing is written.

    Returns:
        as ``lengths``, and "commands", of each round.
    Raises:
        PruneError: see ``compress``.
    """
    plan, decoder, _ = _prepared(asked, say)
    Folder(asked.out, asked.noted())  # whether the folder is another plan's
    with open(os.devnull, "rb") as lock:
        planned = _lengths(plan, decoder, say, lock.fileno())
    rounds = Rounds(plan.rounds(planned["sparsities"], planned["epochs"]), lambda *_: None)
    commands = [rounds.command(r) for r in range(1, len(planned["epochs"]) + 1)]
    for r, command in enumerate(commands[1:], start=1):  # not there yet, best() takes the last
        best = os.path.join(rounds.folder(r), "checkpoint_best.pt")
        command[command.index("--finetune-from-model") + 1] = best
    return {**planned, "about": plan.recipe.said(plan.teacher), "commands": commands}


def compress(asked: Asked, argv: List[str], say: Say, more: List[str]) -> Dict[str, Any]:
    """Make ``model.packed``, ``checkpoint_best.pt`` and the card in ``asked.out``.

    Args:
        argv: the command, for the card.
        say: takes lines of progress.
        more: further options of every training, which make no other model of it.
    Returns:
        what the card says.
    Raises:
        PruneError: an option makes no sense, the folder is of another plan or in use, a file
            cannot be read or written, a training failed, or a sparsity or loss cannot be reached.
            (Of a size that is missed in the end, the card says so: ``card_tables.missed``.)
    """
    plan, decoder, dictionaries = _prepared(asked, say)
    Folder(asked.out, asked.noted())  # before anything is made
    with folder_lock(asked.out, "compress") as lock:
        folder = Folder(asked.out, asked.noted())
        folder.check_same(asked.checkpoint)
        scores = Scores(plan, decoder, folder)
        by = asked.translated_with()
        if not plan.is_lm and not folder.knows("translates", by):
            for subset in plan.subsets:  # now, not after hours of training
                decoder.try_out(asked.checkpoint, subset)
        planned = folder.find("lengths", lambda: _lengths(plan, decoder, say, lock))
        folder.note_same(asked.checkpoint)
        folder.find("translates", lambda: scores.forget("dense", "packed"), by)
        for line in described(planned):
            say(line)
        rounds_plan = plan.rounds(planned["sparsities"], planned["epochs"])

        def loss() -> float:
            return math.log2(scores.perplexity(asked.checkpoint, plan.valid))

        dense = partial(folder.find, "dense loss", loss)
        trainer = Trainer(plan, planned["epochs"], dense, say, lock, more)
        kept = folder.find(
            "kept", lambda: carry_out(plan, rounds_plan, trainer, scores, folder, say)
        )
        rounds = Rounds(rounds_plan, trainer.train)
        model = folder.file("checkpoint_best.pt")
        chosen = folder.find("chosen", lambda: _choose(plan, rounds, kept, scores, say))
        if not os.path.exists(model):
            write_model(chosen["path"], model, dictionaries, plan.own.noted())
        packed = folder.file("model.packed")
        sizes = folder.find(
            "sizes",
            lambda: _pack(plan, scores, model, packed, dictionaries, say),
            asked.packed_with(),
        )
        scored = asked.scored_with()
        results = folder.find("scores", lambda: _score(plan, scores, packed, say), scored)
        speeds = folder.find("speeds", lambda: scores.speeds(asked.checkpoint, packed), scored)
        content = {
            "checkpoint": asked.checkpoint,
            "data": asked.data,
            "argv": argv,
            "recipe": asked.recipe,
            "about": plan.recipe.said(plan.teacher),
            "metric": plan.metric,
            "max_loss": asked.goal.max_loss,
            "max_bytes": asked.goal.max_bytes,
            "losses": kept["losses"],
            "generate": None if plan.is_lm else decoder.words,
            "averaged": chosen["averaged"],
            "values": asked.values,
            "sizes": sizes,
            "scores": results,
            "speeds": speeds,
            # the rounds' folder may be gone the next time
            "rounds": folder.find(
                "rounds", lambda: history(rounds, len(kept["losses"]) or kept["round"], plan.valid)
            ),
            "kept": kept["round"],
            "model": [*_from_rounds(chosen), "--out", model],
            "pack": _pack_command(asked, model, packed),
            "versions": versions(),
        }
        return write_card(content, model, asked.out)


def _prepared(asked: Asked, say: Say) -> Tuple[Plan, Decoder, Dictionaries]:
    """What is looked at before anything is done."""
    plan, task = make_plan(asked)
    for hint in plan.hints:
        say(hint)
    words = asked.generate
    if words is None:
        words = () if plan.is_lm else usual_words(task)
    decoder = Decoder(asked.data, words, not plan.on_gpu)
    if not plan.is_lm:
        decoder.config(asked.checkpoint, plan.valid)  # whether the options can be taken
    return plan, decoder, fingerprints(task)


def _lengths(plan: Plan, decoder: Decoder, say: Say, lock: int) -> Dict[str, Any]:
    asked = plan.asked

    def target() -> Tuple[float, int]:
        most = asked.goal.max_bytes
        assert most is not None, "asked where it is the goal"
        return least_sparsity(
            asked.checkpoint, plan.recipe.scheme, PACKED_VALUES[asked.values],
            most, plan.before, say, find_texts(asked.checkpoint, asked.data).texts,
        )  # fmt: skip

    def speed(sparsity: float) -> Speed:
        say("measuring how long a few updates, a validation and some sentences take")
        return measured(plan, sparsity, decoder, lock)

    return lengths(plan, target, speed)


def _choose(plan: Plan, rounds: Rounds, kept: Dict[str, Any], scores: Scores, say: Say):
    """The best model of the round that is kept, or the mean of its last epochs."""
    r, valid = kept["round"], plan.valid
    best, mean = rounds.best(r), None
    if plan.recipe.average > 1:
        mean = averaged(rounds.folder(r), plan.recipe.average)
    chosen = better_of(best, mean, lambda path: scores.perplexity(path, valid))
    if chosen["averaged"] and plan.asked.goal.max_loss is not None:
        before = scores.value("dense", plan.asked.checkpoint, valid)
        loss = scores.loss(before, scores.value("average", chosen["path"], valid))
        if loss > max(plan.asked.goal.max_loss, kept["losses"][r - 1]):
            chosen.update(path=best, averaged=False)
    if mean is not None:
        first, second = chosen["perplexities"]
        say(
            f"perplexity on {valid}: {first:.3f} of the best epoch, {second:.3f} of the mean of "
            f"the last {plan.recipe.average}; "
            f"{'the mean' if chosen['averaged'] else 'the best'} is kept"
        )
    epochs = last_epochs(rounds.folder(r), plan.recipe.average)
    return {**chosen, "command": ["fairseq-prune", "average", *epochs, "--out", mean]}


def _from_rounds(chosen: Dict[str, Any]) -> List[str]:
    """The command that makes the model of what the rounds have left, without its output."""
    if not chosen["averaged"]:  # a mean of one
        return ["fairseq-prune", "average", chosen["path"]]
    return chosen["command"][: chosen["command"].index("--out")]


def _pack_command(asked: Asked, model: str, packed: str) -> List[str]:
    values, data = PACKED_VALUES[asked.values], asked.absolute().data
    return ["fairseq-prune", "pack", model, packed, "--values", values, "--data", data]


def _pack(
    plan: Plan, scores: Scores, model: str, packed: str, dictionaries: Dictionaries, say: Say
) -> Dict[str, int]:
    scores.forget("packed")  # by a file of other --values
    found = find_texts(plan.asked.checkpoint, plan.asked.data)
    values = PACKED_VALUES[plan.asked.values]
    made = pack_checkpoint(model, packed, values, dictionaries, found.texts)
    sizes = {
        "dense": made.dense_bytes,
        "checkpoint": os.path.getsize(plan.asked.checkpoint),
        "pruned_checkpoint": os.path.getsize(model),
        "packed": made.file_bytes,
        "parameters": made.parameters,
    }
    say(f"packed: {sizes['packed']:,} bytes, of {sizes['dense']:,} of dense weights")
    for note in found.notes:
        say(note)
    return sizes


def _score(plan: Plan, scores: Scores, packed: str, say: Say) -> List[Dict[str, Any]]:
    results = []
    for subset in plan.subsets:
        say(f"scoring {subset}, dense and packed")
        results.append(scores.beside(plan.asked.checkpoint, packed, subset))
    return results
