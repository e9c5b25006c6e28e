"""Sequence-level distillation: a data folder with a teacher's translations for its targets.

Kim and Rush 2016, Sequence-Level Knowledge Distillation, sections 3.2 (the best hypothesis of the
beam) and 3.3 (of the beam, the one nearest to the reference).
"""

from .. import plugin  # noqa: F401  (all is registered before)
