"""The findings about the target itself, MS001 to MS005: what each is called, and its page."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mlint.smoke.checks.catalogue import Entry

_PAGES = {
    "MS001": (
        "target-not-built",
        """\
The target cannot be built: its import, its factory or its configuration raises or is missing.

## Why
A model that cannot be built was not checked, and a check that did not run must not look like one that passed.

## How
The modules that `[[tool.mlint.smoke.target]]` names are imported in the project's interpreter, from the project's
folder and its `source-roots`; then the batch, the model and the optimizer are made. What is raised there is shown with
the user's own traceback, from the first line that is not mlint's.

## When to ignore
Never: mend the reference in the configuration, or what it leads to.
""",
    ),
    "MS002": (
        "target-raises",
        """\
The forward pass, the loss, the backward pass or the optimizer's step raises.

## Why
The first step of a training run would fail in the same way, after the data was loaded and the machine was paid for.

## How
One batch goes through the model in train mode, the loss is taken, backward is called and the optimizer steps. The
finding stands at the innermost line of the user's own code; the whole traceback follows.
""",
    ),
    "MS003": (
        "target-timed-out",
        """\
The target did not come to an end in its time.

## Why
A hang is found here in a minute, in a job queue after a night: a worker that waits for a lock, a download that retries,
a loop without an end.

## How
Importing, building, one step and each check may take `timeout` (60 s unless configured otherwise). Then the stack of
the main thread is written by Python's `faulthandler`, which needs no lock, and the whole process group is killed. The
finding stands at the innermost line of the user's own code in that stack.

## When to ignore
A target that is only slow needs a larger `timeout` (and `budget`), or a smaller model of the same kind.

## References
Python's `faulthandler`, https://docs.python.org/3/library/faulthandler.html
""",
    ),
    "MS004": (
        "target-died",
        """\
The process ended before the checks did: an exit, an abort, a crash in native code, or too much memory.

## Why
What ends the process while it is being checked ends a training run, or a test run that imports the same module.

## How
The target runs in a process of its own. `sys.exit` and `os._exit` are told with the line that calls them, a fatal
signal with the stack that `faulthandler` wrote, memory by the resident sizes of all processes of the group, which are
looked at ten times a second (an address-space limit would already break the import of torch).

## References
Python's `faulthandler`, https://docs.python.org/3/library/faulthandler.html
""",
    ),
    "MS005": (
        "torch-missing",
        """\
The interpreter that runs the target has no torch, or one that is too old or cannot be imported.

## Why
Nothing could be checked. That is a finding and not a reason to pass.

## How
The interpreter is the one that `python = ...` or `--python` names, else that of $VIRTUAL_ENV, else mlint's own; torch
2.1 is the oldest that is looked at.
""",
    ),
}

NAMES = {code: name for code, (name, _) in _PAGES.items()}
"""Code -> name."""


def pages() -> dict[str, Entry]:
    """Code -> entry of everything that the smoke stage can report; reads the source of every check."""
    from mlint.smoke.checks.catalogue import Entry, catalogue

    own = {code: Entry(code, name, "exact", 0.0, (), page.strip() + "\n") for code, (name, page) in _PAGES.items()}
    return dict(sorted({**own, **catalogue()}.items()))


def summary_of(page: str) -> str:
    """The first paragraph of a page, on one line."""
    return " ".join(page.strip().split("\n\n")[0].split())


def summary(code: str) -> str:
    """What a failure of the target is, on one line."""
    return summary_of(_PAGES[code][1]) if code in _PAGES else ""
