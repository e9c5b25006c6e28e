"""``fairseq-prune grid``: experiments over schemes, sparsities, kinds and seeds."""

import os

from ..errors import PruneError
from ..folder_lock import folder_lock
from .quiet import quiet_libraries
from .say import say, say_progress


def add_to(verbs) -> None:
    verb = verbs.add_parser(
        "grid",
        description="Make the points that CONFIG asks for: prune, retrain, train sparse from the "
        "start or prune in rounds; score each. DIR/results.jsonl gets a line a point, "
        "DIR/grid.html shows them. Interrupted, the same command goes on where it was.",
    )
    add_run(verb, "configs/experiments")
    verb.add_argument(
        "--wandb-project",
        metavar="NAME",
        help="W&B project that the trainings, the figures and the results go to",
    )
    verb.set_defaults(run=run_grid)


def add_run(verb, examples: str) -> None:
    """Options of a verb that carries out trainings of a file."""
    verb.add_argument("config", metavar="CONFIG", help=f"YAML file ({examples})")
    verb.add_argument("--out", required=True, metavar="DIR", help="folder to write into")
    verb.add_argument(
        "--jobs",
        type=int,
        default=1,
        help="trainings at a time; set OMP_NUM_THREADS so that they have a core each "
        "(default: %(default)s)",
    )
    verb.set_defaults(goes_on=True)


def run_grid(args) -> None:
    quiet_libraries()
    # here, so that the other verbs do not wait for what decoding and drawing need
    from ..experiments.check import check_evaluation
    from ..experiments.grid import read_grid
    from ..experiments.page import RESULTS_HEAD, results_rows
    from ..experiments.run_grid import GridRun
    from ..experiments.show import check_drawing, show, track
    from ..experiments.summary import summarise
    from ..pruning import table

    if args.jobs < 1:
        raise PruneError(f"--jobs {args.jobs} is out of range; give 1 or more")
    grid = read_grid(args.config)
    check_drawing()
    check_evaluation(grid)
    more = ["--wandb-project", args.wandb_project] if args.wandb_project else []
    failed = []
    out = os.path.normpath(args.out)
    with folder_lock(out, "grid") as lock:
        run = GridRun(grid, out, args.jobs, say_progress, more)
        run.records()  # whether the folder is this grid's, before anything in it is changed
        try:
            failed = run.run(lock)
        except OSError as error:
            raise PruneError(f"--out {out} cannot be written: {error.strerror or error}") from error
        finally:
            records = run.records()
            figures = show(records, grid, out) if records else []
    if args.wandb_project:
        track(args.wandb_project, out, figures)
    rows = [RESULTS_HEAD, *results_rows(summarise(records))]
    say(*table(rows))
    say(f"wrote {os.path.join(out, 'grid.html')}")
    if failed:
        raise PruneError(
            f"{len(failed)} of the trainings failed; the same command tries them again. "
            f"The first: {failed[0]}"
        )
