"""The examples of a rule: its documentation, its test and its proof."""

from __future__ import annotations

from collections.abc import Mapping

_NOTHING: Mapping[str, str] = {}


class Example:
    """One piece of code and what the rule must say about it.

    Exactly one of ``bad`` and ``ok`` is given. ``bad`` gives exactly one finding of the rule (``count`` of them, if it
    says so); with ``good``, the fixed text is exactly that, and a second run finds nothing. ``ok`` gives none.

    Attributes:
        bad: code with the defect.
        good: the code after the fix (unsafe ones included); None where there is no fix.
        ok: code that looks like the defect and is not.
        given: code that stands in front of `bad`, `good` or `ok` (imports, inputs); it is linted with it, so that names
            and kinds are known, and must itself be free of findings of this rule. For an executed example it makes the
            inputs: it runs several times with different seeds, so it draws them at random.
        equal: names or expressions, separated by commas, that must have equal values after running the code before
            and after the fix. Turns the example into an executed proof.
        close: compare floating-point numbers within the default tolerances of the library (the fix reorders sums or
            is closer to the exact value) instead of bit for bit.
        better: where the original is not finite, any finite value of the fixed code counts as equal.
        raises: the original raises this (name of an exception); the fixed code must run, and then only `equal` is
            evaluated, not compared.
        count: number of findings in `bad`.
        safety: the safety that the fix must have ("safe", "unsafe"); None for the rule's own.
        path: the file name under which the code is linted (tests, scripts and modules differ).
        files: other files of the project, path → text.
        targets: library → targeted version.
        bench: an expression or statement timed by `scripts/measure.py` for sizes in ``n``; `given` may use ``n``.
        note: why this example matters; printed by nothing, read by people.
    """

    def __init__(
        self,
        *,
        bad: str | None = None,
        good: str | None = None,
        ok: str | None = None,
        given: str = "",
        equal: str | None = None,
        close: bool = False,
        better: bool = False,
        raises: str | None = None,
        count: int = 1,
        safety: str | None = None,
        path: str = "example.py",
        files: Mapping[str, str] = _NOTHING,
        targets: Mapping[str, str] = _NOTHING,
        bench: bool = False,
        note: str = "",
    ) -> None:
        if (bad is None) == (ok is None):
            raise ValueError("an example has either `bad` or `ok`")
        if good is not None and bad is None:
            raise ValueError("`good` is what `bad` becomes")
        if equal is not None and good is None:
            raise ValueError("`equal` compares `bad` with `good`")
        self.bad = bad
        self.good = good
        self.ok = ok
        self.given = given
        self.equal = equal
        self.close = close
        self.better = better
        self.raises = raises
        self.count = count
        self.safety = safety
        self.path = path
        self.files = files
        self.targets = targets
        self.bench = bench
        self.note = note
