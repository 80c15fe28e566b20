"""How much memory a group of processes takes, and how much there is. An address-space limit would break torch."""

from __future__ import annotations

import os

_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
SHARE = 0.9
"""Of the memory that is free when a run begins, what it may take."""


def available() -> int | None:
    """Bytes that can be used now without swapping, those of the control group if it is tighter; None if unknown."""
    free = _available()
    limit, used = _number("/sys/fs/cgroup/memory.max"), _number("/sys/fs/cgroup/memory.current")
    if limit is not None and used is not None:
        free = min(free or limit, max(limit - used, 0))
    return free


def _available() -> int | None:
    try:
        with open("/proc/meminfo", encoding="ascii") as stream:
            for line in stream:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    return None


def _number(path: str) -> int | None:
    try:
        with open(path, encoding="ascii") as stream:
            return int(stream.read())
    except (OSError, ValueError):  # no such control group, or "max"
        return None


def of_group(group: int, limit: float) -> int:
    """Bytes that the processes of a group take together, 0 where the system does not say.

    What they share counts once for each of them while the sum stays below the limit; above it the shares are asked for,
    which takes longer and is exact.
    """
    members = _members(group)
    resident = sum(pages for _, pages in members) * _PAGE
    if resident <= limit or len(members) < 2:
        return resident
    shares = [_share(member) for member, _ in members]
    return resident if None in shares else sum(share for share in shares if share is not None)


def _members(group: int) -> list[tuple[int, int]]:
    """(process, resident pages) of every process of a group."""
    found = []
    try:
        names = os.listdir("/proc")
    except OSError:
        return []
    for name in names:
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as stream:
                text = stream.read()
        except OSError:  # it has ended
            continue
        parts = text[text.rfind(b")") + 2 :].split()
        if int(parts[2]) == group:
            found.append((int(name), int(parts[21])))
    return found


def _share(process: int) -> int | None:
    try:
        with open(f"/proc/{process}/smaps_rollup", encoding="ascii") as stream:
            for line in stream:
                if line.startswith("Pss:"):
                    return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    return None
