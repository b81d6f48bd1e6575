"""Who goes first on the machine that the lab shares with everything else.

The kernel's autogroup (sched(7)) gives every session the same part of the processor, and there `nice` counts
only within a session: a ZooKeeper at nice -10 was one of seventy, and what decides a failover waited for
seconds behind health checks (measured by /proc/PID/task/TID/schedstat, two cores under `steady` load).
Processes in a group of their own are not autogrouped, so the lab has two: its hosts, where the units' `Nice=`
then means what it says; and its tools (links, users, observers), which go before the hosts because what they
delay would look like a fault.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

_V1 = Path("/sys/fs/cgroup/cpu")
_V2 = Path("/sys/fs/cgroup")
_HOSTS, _TOOLS = "twinsite", "twinsite-tools"
# The kernel's default for a group of its own: what any session beside the lab weighs.
_V1_SHARES, _V2_WEIGHT = 1024, 100
_HOSTS_WEIGH, _TOOLS_WEIGH = 16, 64
# Measuring comes before what is measured, and behind what decides (the units' -10).
INSTRUMENT_NICE = -5


def _is_v1() -> bool:
    return (_V1 / "cgroup.procs").exists()


def _group(name: str) -> Path:
    return (_V1 if _is_v1() else _V2) / name


def prepare() -> None:
    """Make and weigh the groups; a machine that mounts no scheduler's controller goes on without."""
    if not (_is_v1() or (_V2 / "cgroup.procs").exists()):  # version 1's mounts lie in a plain directory
        return
    for name, times in ((_HOSTS, _HOSTS_WEIGH), (_TOOLS, _TOOLS_WEIGH)):
        with suppress(OSError):
            group = _group(name)
            group.mkdir(exist_ok=True)
            if _is_v1():
                (group / "cpu.shares").write_text(str(times * _V1_SHARES))
            else:
                (_V2 / "cgroup.subtree_control").write_text("+cpu")
                (group / "cpu.weight").write_text(str(times * _V2_WEIGHT))


def enter_hosts_command() -> str:
    """A shell line that moves the shell into the hosts' group, at nice 0 whoever boots.

    A host's init hands its own value on to every unit without `Nice=`: booted by a drill, which is an
    instrument, those would get the one that others are given to go before them. With version 2 a host's own
    group (`cgroups`) lies within it.
    """
    return f"{_at_nice(0)}; {_enter(_HOSTS) if _is_v1() else 'true'}"


def as_tool(argv: Sequence[str], nice: int = 0) -> list[str]:
    """The command line that runs a program among the tools, at a nice value whatever the caller's.

    It goes before `ip netns exec`, which hides /sys.
    """
    prepare()
    return ["sh", "-c", f'{_enter(_TOOLS)}; {_at_nice(nice)}; exec "$0" "$@"', *argv]


def join_as_instrument() -> None:
    """Put this process among the tools; what it starts from now on belongs there too."""
    prepare()
    with suppress(OSError):
        (_group(_TOOLS) / "cgroup.procs").write_text(str(os.getpid()))
    with suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, INSTRUMENT_NICE)


def remove() -> None:
    """Remove the groups that are empty; a drill that still runs keeps the tools'."""
    for name in (_HOSTS, _TOOLS):
        with suppress(OSError):
            _group(name).rmdir()


def _enter(name: str) -> str:
    return f"{{ echo $$ > {_group(name)}/cgroup.procs; }} 2> /dev/null || true"


def _at_nice(value: int) -> str:
    return f"renice -n {value} -p $$ > /dev/null 2>&1"
