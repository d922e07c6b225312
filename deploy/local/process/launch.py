"""Becomes another program: drops to its user, arranges to get a signal when our parent dies, and
goes to its folder. Run as a script by whoever starts processes, because doing the same between fork
and exec breaks in a process that has gRPC's threads in it. Standard library only."""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Arguments: the parent's process id, the signal, uid:gid or -, the folder, the command."""
    parent, number, user, folder, *command = sys.argv[1:]
    if user != "-":
        uid, gid = map(int, user.split(":"))
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    # After the change of user, which forgets it.
    end_with(int(parent), int(number))
    os.chdir(folder)
    try:
        os.execv(command[0], command)  # noqa: S606
    except OSError as error:
        sys.exit(f"cannot run {command[0]}: {error.strerror}")


def end_with(parent: int, number: int) -> None:
    """Arranges to get this signal when our parent dies; ends where it has. Other systems than Linux
    have no such thing."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit("the process that wanted this one is gone")


if __name__ == "__main__":
    main()
