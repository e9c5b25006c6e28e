from built_models import build, build_by_hydra, build_with_options  # noqa: F401  (fixtures)
from one_thread import one_thread  # noqa: F401
