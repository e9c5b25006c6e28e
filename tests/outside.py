"""Notes which files a process opens, and that it wants the network (``prepare`` of ``run``)."""

import sys

WATCHED = ("open", "socket.connect", "socket.getaddrinfo", "subprocess.Popen", "os.system")


def note(path):
    """Append a line for each: the event and what it is of. Connections are refused."""
    log = open(path, "a", encoding="utf-8")  # before the hook, which would note it

    def hook(event, args):
        if event in WATCHED:
            log.write(f"{event} {args[1] if event == 'socket.connect' else args[0]}\n")
            log.flush()
            if event.startswith("socket"):
                raise ConnectionRefusedError(f"{event} in a test that allows none")

    sys.addaudithook(hook)
