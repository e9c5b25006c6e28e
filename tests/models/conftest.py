from built_models import (  # noqa: F401  (fixtures)
    build,
    build_by_hydra,
    build_with_options,
    one_thread,
)
