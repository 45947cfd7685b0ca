# SPDX-License-Identifier: BSD-2-Clause
#
# Makes the rest of the program run as process 1 of its own PID, network and mount namespaces.
# When it ends, however that comes about, the kernel ends every process in there, and namespaces,
# taps and files of the private tmpfs go with them. The first process stays outside: it passes
# signals on, restores the terminal and reports the status.
#
# Linux documentation: pid_namespaces(7), user_namespaces(7), PR_SET_PDEATHSIG(2const).

import ctypes
import os
import signal
import sys
import termios

SPACES = os.CLONE_NEWNS | os.CLONE_NEWNET | os.CLONE_NEWPID
PR_SET_PDEATHSIG = 1
MS_REC, MS_PRIVATE = 0x4000, 0x40000
PRIVATE_DIR = "/run"


class IsolationError(Exception):
    """One line: what this machine does not allow."""


def enter():
    """
    Returns in the new process 1. The old process never returns: it exits with the new one's
    status. Afterwards PRIVATE_DIR is empty and seen by nobody else.
    """
    _die_with_parent(signal.SIGTERM)
    _unshare()
    ours, theirs = os.pipe()
    child = os.fork()
    if child:
        os.close(ours)
        os.write(theirs, b"!")
        _supervise(child)
    os.close(theirs)
    _die_with_parent(signal.SIGKILL)
    if not os.read(ours, 1):
        os._exit(1)     # the first process had ended before it could be our parent
    os.close(ours)
    _mount_private()


def _unshare():
    uid, gid = os.getuid(), os.getgid()
    try:
        os.unshare(SPACES)
        return
    except PermissionError:
        pass
    try:
        os.unshare(os.CLONE_NEWUSER | SPACES)
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"0 {uid} 1")
        _write("/proc/self/gid_map", f"0 {gid} 1")
    except OSError as error:
        raise IsolationError("the two hosts need network namespaces, and this machine allows them "
                             f"neither to this user nor in a user namespace ({error.strerror}): "
                             "run it as root") from None


def _mount_private():
    libc = ctypes.CDLL(None, use_errno=True)
    if (libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None)
            or libc.mount(b"run", PRIVATE_DIR.encode(), b"tmpfs", 0, None)):
        raise IsolationError(f"cannot mount a private {PRIVATE_DIR}: "
                             f"{os.strerror(ctypes.get_errno())}")


def _die_with_parent(number):
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number)


def _write(path, text):
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def _supervise(child):
    try:
        terminal = termios.tcgetattr(sys.stdin)
    except (termios.error, OSError, ValueError):
        terminal = None
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, frame: os.kill(child, number))
    _, status = os.waitpid(child, 0)
    if terminal:
        # Only for a child that was killed with the terminal in raw mode.
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, terminal)
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        print(f"make run: killed by signal {-code}", file=sys.stderr)
    os._exit(code if code >= 0 else 1)
