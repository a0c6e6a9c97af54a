"""What /proc says of processes and of the machine (Linux; see proc(5))."""

import os
import platform
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def cpu_with_children(root):
    """CPU seconds of a process, of its children, and of all that they have waited for."""
    while True:
        before = _stat(root)
        stats = [stat for stat in map(_stat, children(root)) if stat]
        # A child that ended meanwhile was counted twice or not at all.
        if _stat(root)["waited_for"] == before["waited_for"]:
            ticks = sum(stat["own"] + stat["waited_for"] for stat in [before, *stats])
            return ticks / TICKS_PER_SECOND


def memory_with_children(root):
    """Bytes that a process and its children have resident: what each has of its own, and the largest
    share of what they have in common."""
    own, shared = 0, [0]
    for pid in [root, *children(root)]:
        status = _status(pid)
        own += status.get("RssAnon", 0)
        shared.append(status.get("RssShmem", 0))
    return own + max(shared)


def peak_memory(pid):
    """The most bytes that a running process has had resident; 0 where it has ended."""
    return _status(pid).get("VmHWM", 0)


def children(root):
    """Its children."""
    try:
        return [int(pid) for pid in Path(f"/proc/{root}/task/{root}/children").read_text().split()]
    except FileNotFoundError:  # not every kernel is built with it
        processes = [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]
        return [pid for pid in processes if (_stat(pid) or {}).get("parent") == root]


def _status(pid):
    """The fields of /proc/PID/status that are sizes, in bytes."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return {}
    sizes = [line.split() for line in lines if line.endswith(" kB")]
    return {name.rstrip(":"): int(size) * 1024 for name, size, _ in sizes}


def _stat(pid):
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The second field is a name in parentheses, which may hold anything.
    fields = text.rpartition(")")[2].split()
    utime, stime, cutime, cstime = map(int, fields[11:15])
    return {"parent": int(fields[1]), "own": utime + stime, "waited_for": cutime + cstime}


def machine():
    """What the figures depend on."""
    processors = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    memory = Path("/proc/meminfo").read_text().split()[1]
    return {
        "processor": processors[0] if processors else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(int(memory) / 1024**2, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load_before": round(os.getloadavg()[0], 2),
    }
