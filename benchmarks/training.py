"""Training words/s of pruned_lstm_nmt against fairseq's lstm of the same size."""

from . import models


def rows(args):
    task = models.FakeTask()
    sample, criterion = models.batch(task), models.criterion(task)
    for size in (256, 512):
        built = [
            models.ours(task, size, 2, input_feed=False),
            models.ours(task, size, 2, input_feed=True),
            models.stock_lstm(task, size, 2),
        ]
        steps = []
        for model in built:
            model.train()
            optimizer = models.optimizer("pruned_sgd", model)
            steps.append(lambda m=model, o=optimizer: models.step(m, o, criterion, sample))
        plain, feeding, stock = models.in_turn(steps, rounds=5)
        words = sample["ntokens"]
        for what, ours, goal in (
            ("no input feeding", plain, "at least 1.2"),
            ("input feeding", feeding, "at least 1.0"),
        ):
            yield (
                f"training, 2 x {size}, {what}",
                f"{words / models.median(ours):,.0f} w/s",
                f"{words / models.median(stock):,.0f} w/s",
                f"{models.median(s / o for s, o in zip(stock, ours)):.2f}",
                goal,
            )
