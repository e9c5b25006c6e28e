"""What a process does beside its work, looked at from inside (``prepare`` of ``run``)."""

import atexit
import os
import sys

WATCHED = ("open", "socket.connect", "socket.getaddrinfo", "subprocess.Popen", "os.system")


def refuse_the_plugin():
    """Fail at the end if any of this plugin was imported."""

    def check():
        found = [name for name in sys.modules if name.startswith("fairseq_prune")]
        if found:
            print(f"imported: {found}", flush=True)
            os._exit(3)

    atexit.register(check)


def note(path):
    """Append a line for each file opened and each wish for the network: the event and what it is
    of. Connections are refused."""
    log = open(path, "a", encoding="utf-8")  # before the hook, which would note it

    def hook(event, args):
        if event in WATCHED:
            log.write(f"{event} {args[1] if event == 'socket.connect' else args[0]}\n")
            log.flush()
            if event.startswith("socket"):
                raise ConnectionRefusedError(f"{event} in a test that allows none")

    sys.addaudithook(hook)
