"""Runs console scripts in forked processes that have imported torch and fairseq already.

    python fork_server.py        # reads requests, a JSON object a line, answers exit statuses

A command so run starts in the state of a new interpreter with those modules imported, in a
process of its own, seconds sooner. The plugin itself is not imported beforehand.
"""

import importlib
import json
import os
import sys
import traceback

MODULES = {
    "fairseq-train": "fairseq_cli.train",
    "fairseq-hydra-train": "fairseq_cli.hydra_train",
    "fairseq-generate": "fairseq_cli.generate",
    "fairseq-interactive": "fairseq_cli.interactive",
    "fairseq-validate": "fairseq_cli.validate",
    "fairseq-eval-lm": "fairseq_cli.eval_lm",
    "fairseq-preprocess": "fairseq_cli.preprocess",
    "fairseq-prune": "fairseq_prune.cli.main",
}


def serve():
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    for module in MODULES.values():
        if module.startswith("fairseq_cli"):
            importlib.import_module(module)
    for line in sys.stdin:
        request = json.loads(line)
        child = os.fork()
        if child == 0:
            answers.close()
            os._exit(run(request))
        status = os.waitpid(child, 0)[1]
        code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else -os.WTERMSIG(status)
        answers.write(f"{code}\n")


def run(request):
    for fd, path, mode in ((0, request["stdin"], os.O_RDONLY), (1, request["output"], os.O_WRONLY)):
        file = os.open(path, mode)
        os.dup2(file, fd)
    os.dup2(1, 2)
    os.environ.update(request["env"])
    sys.stdin = os.fdopen(0)
    sys.argv = [request["command"], *request["args"]]
    code = 0
    try:
        module = importlib.import_module(MODULES[request["command"]])
        (getattr(module, "cli_main", None) or module.main)()
    except SystemExit as exit:
        code = exit.code if isinstance(exit.code, int) else int(exit.code is not None)
        if isinstance(exit.code, str):
            print(exit.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return code


if __name__ == "__main__":
    serve()
