"""Where in the user's code each autograd node of the shared pass was made; found by one recorded replay."""

from __future__ import annotations

from bisect import bisect_left
from weakref import WeakKeyDictionary

from mlint.smoke.subject import Pass, Subject
from mlint.smoke.trace.graph import Node, number
from mlint.smoke.trace.recorder import Event, recorded_functions

NOWHERE = Event("", "", None)
_replays: WeakKeyDictionary[Subject, tuple[list[int], list[Event]]] = WeakKeyDictionary()


def _replay(subject: Subject) -> tuple[list[int], list[Event]]:
    """(numbers relative to the start, events), of a pass like the shared one."""
    if subject not in _replays:
        try:
            model = subject.rebuilt()
            with recorded_functions(model) as events:
                done = subject.run(model, subject.batch)
        except Exception:  # a model that does not run while it is watched has no places, and no finding of its own
            _replays[subject] = [], []
        else:
            newest: dict[int, Event] = {}
            for event in events:
                # The innermost function returns first, and is the one that made the node.
                newest.setdefault(event.number - done.start, event)
            ordered = sorted(newest)
            _replays[subject] = ordered, [newest[key] for key in ordered]
    return _replays[subject]


def event_of(subject: Subject, done: Pass, node: Node) -> Event:
    """The function that made a node of a pass that ran like the shared one: its module, name and line.

    Nodes are counted in the order of their creation, and a pass under the same seed makes the same ones. A function
    that makes several nodes is known by its last; those before it, back to the function before, are its own.
    """
    numbers, events = _replay(subject)
    at = bisect_left(numbers, number(node) - done.start)
    return events[at] if at < len(events) else NOWHERE
