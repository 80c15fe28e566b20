"""What an installed library has, to compare with what the tables say about that version of it."""

from __future__ import annotations

import ast
import contextlib
import importlib
import importlib.metadata
import importlib.util
import inspect
import io
import json
import os
import random
import re
import sys
import textwrap
import warnings
from collections.abc import Iterator
from typing import Any

from mlint.model import libraries
from mlint.model.libraries import data

_DISTRIBUTIONS = {
    "sklearn": "scikit-learn",
    "imblearn": "imbalanced-learn",
    "dask_ml": "dask-ml",
    "cudf": "cudf-cu12",
    "cuml": "cuml-cu12",
}
SAMPLE = 300
_NO_STARTING = re.compile(r"\.(?:__main__|launch|run|main|setup\w*|conftest)(?:\.|$)")


class NotThere(Exception):
    """The library has no such name."""


class NotKnown(Exception):
    """Whether the library has the name cannot be told here: another library is missing, or a module does not load."""


def version(root: str) -> str | None:
    """The installed version of a library; None if it is not installed."""
    if importlib.util.find_spec(root) is None:
        return None
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        return importlib.metadata.version(_DISTRIBUTIONS.get(root, root))
    return None


def versions_of(root: str) -> list[str]:
    """The versions that a table was made from, oldest first."""
    return data._text(f"{root}.txt").split("\n", 2)[1].partition(": ")[2].split()


def number(text: str) -> tuple[int, ...]:
    """A version to compare by."""
    return tuple(int(part) for part in re.findall(r"\d+", text.partition("+")[0])[:3])


def reached(dotted: str) -> Any:
    """The object of a dotted name, through attributes or, where those hide a module, as an import finds it.

    Raises:
        NotThere: if there is none.
        NotKnown: if a module on the way cannot be imported here.
    """
    if _NO_STARTING.search(dotted):
        raise NotKnown(dotted)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        try:
            return _through_attributes(dotted)
        except NotThere:
            module, _, name = dotted.rpartition(".")
            return _attribute(_imported(module), name, dotted)


def _through_attributes(dotted: str) -> Any:
    parts = dotted.split(".")
    found = _imported(parts[0])
    for count, part in enumerate(parts[1:], 2):
        try:
            found = _attribute(found, part, dotted)
        except NotThere:
            if not inspect.ismodule(found):
                raise
            found = _imported(".".join(parts[:count]))
    return found


def _attribute(owner: Any, name: str, dotted: str) -> Any:
    try:
        return getattr(owner, name)
    except AttributeError:
        raise NotThere(dotted) from None
    except Exception as error:
        if "removed" in str(error) or "deprecated" in str(error):
            raise NotThere(dotted) from None
        raise NotKnown(f"{dotted}: {error}") from None


def is_conditional(dotted: str) -> bool:
    """Whether the module of a name binds it in a branch: it is there if something else is installed."""
    module, _, name = dotted.rpartition(".")
    with contextlib.suppress(NotThere, NotKnown, OSError, TypeError):
        owner = _imported(module)
        return re.search(rf"^[ ]+.*\b{name}\b", inspect.getsource(owner), re.MULTILINE) is not None
    with contextlib.suppress(NotThere, NotKnown):
        reached(module)
        return False  # a class that is there
    return module.count(".") > 0 and is_conditional(module)


def _imported(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and (module == error.name or module.startswith(f"{error.name}.")):
            raise NotThere(module) from None
        raise NotKnown(f"{module}: {error}") from None
    except BaseException as error:
        raise NotKnown(f"{module}: {error}") from None


def parameters(thing: Any) -> list[inspect.Parameter] | None:
    """The parameters of a callable, the receiver left out; None where Python does not know them."""
    if inspect.isclass(thing):
        constructor = thing.__init__ if thing.__init__ is not object.__init__ else thing.__new__
        if constructor is object.__new__:
            return None
        thing, drop = constructor, True
    else:
        drop = False
    try:
        found = list(inspect.signature(thing).parameters.values())
    except (ValueError, TypeError, NameError):
        return None
    if found and (drop or found[0].name in ("self", "cls")) and found[0].kind not in (2, 4):
        found = found[1:]
    return found


def had(since: str, removed: str, back: str, installed: str) -> bool:
    """Whether a name with such a history is in the installed version."""
    here = number(installed)
    if since and number(since) > here:
        return False
    if removed and number(removed.split("..")[1]) <= here:
        return bool(back) and number(back) <= here
    return True


def said_removed(root: str, installed: str) -> Iterator[libraries.Deprecation]:
    """What the tables say is not in the installed version any more."""
    for one in libraries.deprecations(root):
        if one.removed is not None and not had("", "..".join(one.removed), one.back or "", installed):
            yield one


def still_there(one: libraries.Deprecation) -> bool | None:
    """Whether what is said to be removed is there; None where it cannot be told."""
    try:
        thing = reached(one.name)
    except NotThere:
        return False
    except NotKnown:
        return None
    if one.argument is None:
        return not (inspect.isfunction(thing) and one.message and _only_raises(thing))
    if "=" in one.argument:
        return None
    found = parameters(thing)
    return None if found is None else any(p.name == one.argument and p.kind not in (2, 4) for p in found)


def _only_raises(function: Any) -> bool:
    """Whether a function is there to say that it is gone."""
    try:
        node = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    except (OSError, TypeError, SyntaxError):
        return False
    body = node.body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) else []
    return bool(body) and isinstance(body[-1], ast.Raise) and all(isinstance(s, (ast.Raise, ast.Expr)) for s in body)


def said_present(root: str, installed: str) -> Iterator[list[str]]:
    """The rows of the names that the tables say are in the installed version."""
    back = {one.name: one.back for one in libraries.deprecations(root) if one.back}
    for name, rest in data.names(root).items():
        fields = [name, *rest.split("\t")]
        fields += [""] * (7 - len(fields))
        last, _, without = fields[6].partition("..")
        if without and number(last) < number(installed) < number(without):
            continue  # it went in between
        if fields[1] == "=" or had(fields[5], fields[6], back.get(name) or "", installed):
            yield fields


def sampled(rows: list[list[str]], count: int) -> list[list[str]]:
    """Some of the rows, always the same ones."""
    return rows if len(rows) <= count else random.Random(7).sample(rows, count)


def differs(dotted: str, thing: Any, installed: str) -> str | None:
    """How the parameters in the tables differ from the real ones, or None."""
    real, told = parameters(thing), libraries.signature(dotted)
    if real is None or told is None or any(p.how == "**" for p in told.parameters):
        return None  # what is passed on is not told apart from what is taken
    mine = [
        p for p in told.parameters if had(p.since or "", "..".join(p.removed or ()), "", installed) and p.how[0] != "*"
    ]
    loose = any(p.kind in (2, 4) for p in real)
    theirs = {p.name: p for p in real if p.kind not in (2, 4)}
    for one, other in zip([p for p in mine if p.how == "positional"], [p for p in real if p.kind == 0]):
        theirs[one.name] = theirs.pop(other.name)  # what nobody can write may be called anything
        mine[mine.index(one)] = one._replace(how="either")
        real[real.index(other)] = other.replace(name=one.name)
    names = [p.name for p in mine]
    if loose and not set(theirs) <= set(names):
        return f"{dotted} takes {list(theirs)}, not {names}"
    if loose:
        return None  # a wrapper that passes everything on
    if set(names) != set(theirs):
        return f"{dotted} takes {list(theirs)}, not {names}"
    if installed != versions_of(dotted.partition(".")[0])[-1].partition("+")[0]:
        return None  # the newest version may have another order, and take less by position
    positional = [p.name for p in real if p.kind in (0, 1)]
    if [p.name for p in mine if p.how in ("positional", "either")] != positional:
        return f"{dotted} takes {positional} by position"
    for one in mine:
        if (one.default is None) != (theirs[one.name].default is inspect.Parameter.empty):
            return f"{dotted}: whether {one.name} must be given"
        wrong = _default_differs(one.default, theirs[one.name].default)
        if wrong:
            return f"{dotted}: {one.name} is {theirs[one.name].default!r} by default, not {one.default}"
    return None


def _default_differs(text: str | None, real: object) -> bool:
    """Whether a default that is a plain constant is another one than the text says."""
    if text in (None, "...") or not isinstance(real, (bool, int, float, str, type(None))) or real != real:
        return False
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return False
    return type(value) is not type(real) or bool(value != real)


# One library, in a process of its own


def is_known(root: str) -> bool:
    """Whether a library is installed in a version that its tables know."""
    if importlib.util.find_spec(root) is None:
        return False
    there = version(root)
    return there is not None and number(there) <= number(versions_of(root)[-1])


def compared(root: str) -> dict[str, object]:
    """What the tables say of a library against what is installed: the differences, and how much was compared."""
    there = version(root)
    assert there is not None
    said = list(said_removed(root, there))
    gone = [(one, still_there(one)) for one in said]
    rows = sampled([row for row in said_present(root, there) if row[1] in ("f", "c", "m", "=")], SAMPLE)
    same = number(there) in map(number, versions_of(root))
    absent: list[str] = []
    wrong: list[str] = []
    told = signed = 0
    for row in rows:
        try:
            thing = reached(row[0])
            told += 1
        except NotThere:
            if not is_conditional(row[0]):
                absent.append("\t".join(row))
            continue
        except NotKnown:
            continue
        if same and row[1] in ("f", "c", "m") and row[2] != "?":
            signed += parameters(thing) is not None
            difference = differs(row[0], thing, there)
            if difference is not None:
                wrong.append(difference)
    return {
        "removed and there": [f"{one.name} {one.argument or ''} {one.removed}" for one, still in gone if still],
        "removals": len(said),
        "removals told": sum(still is not None for _, still in gone),
        "sampled": len(rows),
        "reached": told,
        "absent": absent,
        "compared": signed,
        "signatures": wrong,
    }


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    print(f"\n@@{json.dumps(compared(sys.argv[1]))}")
