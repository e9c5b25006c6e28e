"""Runs console scripts in forked processes that have imported torch and fairseq already.

    python fork_server.py SOCKET                          # serves until killed
    FORK_SERVER=SOCKET python fork_server.py COMMAND ...  # runs COMMAND there, as if here

A command so run starts in the state of a new interpreter with those modules imported, in a
process of its own, seconds sooner. Commands that import this plugin in any case start in one that
has it (at another socket); all others, and those that look at what is imported or opened, in one
that has not.
"""

import atexit
import contextlib
import ctypes
import gc
import importlib.util
import json
import os
import signal
import socket
import sys
import threading
import time
import traceback

REPO = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
PLUGIN = os.path.join(REPO, "fairseq_prune")
if not os.path.isdir(PLUGIN):  # tests of what is installed, beside no package
    PLUGIN = os.path.dirname(importlib.util.find_spec("fairseq_prune").origin)
#: What the name of the socket ends with, of the server that has the plugin.
WITH_PLUGIN = ".plugin"
MODULES = {
    "fairseq-train": "fairseq_cli.train",
    "fairseq-hydra-train": "fairseq_cli.hydra_train",
    "fairseq-generate": "fairseq_cli.generate",
    "fairseq-interactive": "fairseq_cli.interactive",
    "fairseq-validate": "fairseq_cli.validate",
    "fairseq-eval-lm": "fairseq_cli.eval_lm",
    "fairseq-preprocess": "fairseq_cli.preprocess",
    "fairseq-prune": "fairseq_prune.cli.main",
    "only-prunes": "only_prunes",
}


def serve(path):
    for module in MODULES.values():
        if module.startswith("fairseq_cli"):
            importlib.import_module(module)
    # torch imports its compiler with the first optimizer: more than half of a short training
    for module in ("sacrebleu", "matplotlib.pyplot", "torch._dynamo"):
        with contextlib.suppress(ImportError):
            importlib.import_module(module)
    gc.freeze()  # what is there is not gone through in each fork
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    child = os.fork()
    if child == 0:
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: ends with its parent
        sys.path.insert(0, REPO)  # as fairseq does for --user-dir
        importlib.import_module("fairseq_prune.cli.main")
        del sys.path[0]
        gc.freeze()
        answer_all(path + WITH_PLUGIN)
    while not os.path.exists(path + WITH_PLUGIN):
        os.kill(child, 0)  # fails where it has ended
        time.sleep(0.05)
    answer_all(path)


def answer_all(path):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path + ".starting")
    listener.listen(16)
    os.rename(path + ".starting", path)
    while True:
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            # tests started in the background of a shell, or by nohup, would hand on that these
            # are ignored
            signal.signal(signal.SIGINT, signal.default_int_handler)
            signal.signal(signal.SIGHUP, signal.SIG_DFL)
            os._exit(answer(connection))
        connection.close()


def answer(connection):
    request, fds, _, _ = socket.recv_fds(connection, 1 << 20, 3)
    child = os.fork()
    if child == 0:
        connection.close()
        for k, fd in enumerate(fds):
            os.dup2(fd, k)
            os.close(fd)
        os._exit(run(json.loads(request)))
    # who asked may be ended, and with it what it asked for
    threading.Thread(target=end_on_hangup, args=(connection, child), daemon=True).start()
    status = os.waitpid(child, 0)[1]
    code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else -os.WTERMSIG(status)
    connection.sendall(str(code).encode())
    return 0


def end_on_hangup(connection, child):
    if not connection.recv(1):
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGTERM)


def run(request):
    os.environ.update(request["env"])
    os.chdir(request["cwd"])
    sys.stdin = os.fdopen(0)
    sys.argv = [request["command"], *request["args"]]
    code = 0
    try:
        if request.get("prepare"):
            module, function = request["prepare"][:2]
            getattr(importlib.import_module(module), function)(*request["prepare"][2:])
        module = importlib.import_module(MODULES[request["command"]])
        (getattr(module, "cli_main", None) or module.main)()
    except SystemExit as exit:
        code = exit.code if isinstance(exit.code, int) else int(exit.code is not None)
        if isinstance(exit.code, str):
            print(exit.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
        code = 1
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    return code


def imports_plugin(command, args):
    return not MODULES[command].startswith("fairseq_cli") or PLUGIN in args


def ask(path, command, args, env=(), prepare=None, fds=(0, 1, 2)):
    """Run ``command`` at the server of ``path``; return its exit status, -N for signal N."""
    request = {
        "command": command,
        "args": args,
        "env": dict(env),
        "cwd": os.getcwd(),
        "prepare": prepare,
    }
    if imports_plugin(command, args) and (not prepare or prepare[0] in ("kill", "undrawn")):
        path += WITH_PLUGIN
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        socket.send_fds(connection, [json.dumps(request).encode()], list(fds))
        return int(connection.recv(16))


if __name__ == "__main__":
    if "FORK_SERVER" in os.environ:
        kill = os.environ.get("KILL")
        prepare = ["kill", "at", *kill.split()] if kill else None
        sys.exit(ask(os.environ["FORK_SERVER"], sys.argv[1], sys.argv[2:], (), prepare) % 256)
    serve(sys.argv[1])
