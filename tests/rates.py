"""A recipe whose learning rate is far too high (``prepare`` of ``commands.run``)."""

from dataclasses import replace


def too_high(times):
    """Have ``compress`` train its rounds with ``times`` the dense model's learning rate."""
    from fairseq_prune.experiments import recipes

    usual = recipes.RECIPES["rounds"]
    recipes.RECIPES["rounds"] = replace(usual, plain_lr=lambda sparsity: float(times))
