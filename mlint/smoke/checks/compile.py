"""MS603: graph breaks and recompilations under torch.compile."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from mlint.smoke.checks.base import Check, NotRun, Observation
from mlint.smoke.seeds import seeded
from mlint.smoke.structure import batch_size, clone, take
from mlint.smoke.subject import SEED, Subject
from mlint.smoke.trace.place import INSTALLED, MLINT, TORCH


class GraphBreaks(Check):
    """torch.compile breaks the model's graph, or compiles it again for other batch sizes.

    ## Why

    A compiled model is fast as far as its graph reaches. `.item()`, a condition on a tensor, `print` and NumPy end the
    graph, and what could have been one kernel becomes several, with Python in between. A model that is compiled again
    for every batch size spends its time in the compiler.

    ## How

    The forward pass is compiled with the backend "eager", which builds the graphs and runs them as they are, so that
    nothing but the tracing costs time. Breaks are counted with torch's reasons and the line. Then two more batch sizes:
    the first change makes sizes dynamic, which is one more compilation for each graph and expected; what is compiled
    again after that is counted. Without a limit this is information; above the limit `graph-breaks` it is an error.

    ## References

    Ansel et al., PyTorch 2: Faster Machine Learning Through Dynamic Python Bytecode Transformation and Graph
    Compilation, ASPLOS 2024. PyTorch documentation of `torch.compiler`.
    """

    code = "MS603"
    name = "graph-breaks"
    tier = "exact"
    cost = 60.0

    def run(self, subject: Subject) -> Iterator[Observation]:
        """Yield an observation for breaks and one for recompilations."""
        limit = subject.options.limits.get("graph_breaks")
        breaks, graphs = _breaks(subject)
        exceeded = limit is not None and len(breaks) > float(str(limit))
        if breaks or exceeded:
            reason, place = breaks[0] if breaks else ("", None)
            yield self.observe(
                f"torch.compile breaks the graph {len(breaks)} time{'s' if len(breaks) > 1 else ''}: {reason}"
                + (f"; the limit is {float(str(limit)):g}" if exceeded else ""),
                "keep the forward pass in torch: torch.where or torch.cond for a condition, no print, no .item()",
                severity="error" if exceeded else "info",
                place=place,
                evidence={"graphs": graphs, "breaks": [f"{text} at {where}" for text, where in breaks][:20]},
            )
        again = _recompiles(subject)
        if again:
            yield self.observe(
                f"torch.compile compiles the model again for a third batch size: {again} graphs",
                "take sizes from the input as x.shape[0], not as numbers of Python; torch._dynamo.mark_dynamic",
                name="recompiles",
                severity="info",
                evidence={"graphs": again},
            )


class _Quiet:
    """What the compiler logs and warns of is the evidence, not news for the terminal."""

    def __enter__(self) -> None:
        self.warnings = warnings.catch_warnings()
        self.warnings.__enter__()
        warnings.simplefilter("ignore")
        self.loggers = [logging.getLogger(name) for name in ("torch._dynamo", "torch.fx.experimental.symbolic_shapes")]
        self.levels = [logger.level for logger in self.loggers]
        for logger in self.loggers:
            logger.setLevel(logging.CRITICAL)

    def __exit__(self, *details: object) -> None:
        for logger, level in zip(self.loggers, self.levels):
            logger.setLevel(level)
        self.warnings.__exit__(None, None, None)


def _breaks(subject: Subject) -> tuple[list[tuple[str, tuple[str, int] | None]], int]:
    """(reason and line of each break, number of graphs).

    Raises:
        NotRun: when the model cannot be traced at all.
    """
    try:
        import torch._dynamo as dynamo
    except ImportError as error:
        raise NotRun(f"torch.compile is not there: {error}") from error
    model = subject.fresh().eval()
    batch = clone(subject.batch)
    dynamo.reset()
    try:
        with _Quiet(), torch.no_grad(), seeded(SEED):
            explained: Any = dynamo.explain(lambda: subject.forward(model, batch))()
    except Exception as error:
        raise NotRun(f"the model cannot be traced: {type(error).__name__}: {str(error)[:200]}") from error
    finally:
        dynamo.reset()
    found = []
    for each in explained.break_reasons:
        place = _user_line(getattr(each, "user_stack", []))
        if place is None and not getattr(each, "user_stack", []):
            continue
        found.append((_short(str(each.reason)), place))
    return found[: max(0, int(explained.graph_break_count))], int(explained.graph_count)


def _short(reason: str) -> str:
    lines = [line.strip() for line in reason.splitlines() if line.strip()]
    return lines[0][:160] if lines else "no reason is given"


def _user_line(stack: Any) -> tuple[str, int] | None:
    for frame in reversed(list(stack)):
        name = str(frame.filename)
        if not name.startswith((TORCH, MLINT, *INSTALLED)) and "site-packages" not in name:
            return name, int(frame.lineno)
    return None


def _recompiles(subject: Subject) -> int:
    """Graphs that are compiled for the third batch size, after the second has made the size dynamic."""
    import torch._dynamo as dynamo

    rows = batch_size(subject.batch)
    if rows is None or rows < 2:
        return 0
    sizes = [rows, rows + 1, rows + 3] if rows < 4 else [rows, rows - 1, rows - 2]
    model = subject.fresh().eval()
    compiled = 0

    def backend(graph: nn.Module, inputs: object) -> Any:
        nonlocal compiled
        compiled += 1
        return graph.forward

    dynamo.reset()
    counts = []
    try:
        with _Quiet(), torch.no_grad():
            traced: Any = torch.compile(lambda batch: subject.forward(model, batch), backend=backend)
            for size in sizes:
                batch = take(subject.batch, torch.arange(size) % rows, rows)
                before = compiled
                with seeded(SEED):
                    traced(clone(batch))
                counts.append(compiled - before)
    except Exception:
        return 0  # a size that the model does not take is MS403's
    finally:
        dynamo.reset()
    return counts[2]
