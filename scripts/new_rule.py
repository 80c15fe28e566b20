"""Start a new rule: writes ``rules/<family>/<name>.py`` with an example that fails until the rule is written.

    python scripts/new_rule.py                                                    asks
    python scripts/new_rule.py numerics log-of-cosh --libraries torch,numpy       the next free code of the family
    python scripts/new_rule.py numerics log-of-cosh --code ML540 --libraries torch \
        --pattern "torch.log(torch.cosh($x))" --to "torch.nn.functional.softplus(-2 * $x) + $x - math.log(2)"

With ``--pattern`` (and ``--to``, when there is a fix) the rule is a PatternRule and often done when its docstring is;
otherwise it is a Rule with triggers and a ``check``. An existing file or code is never overwritten.
"""

from __future__ import annotations

import argparse
import json
import keyword
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FAMILIES = {
    "vectorization": 1,
    "contexts": 2,
    "reproducibility": 3,
    "training": 4,
    "numerics": 5,
    "data": 6,
    "memory": 7,
    "api": 8,
    "tuning": 9,
}
NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)+")
CODE = re.compile(r"""\bcode\b[^\n]*?["'](ML\d{3})["']""")
RULE_NAME = re.compile(r"""\bname\b[^\n]*?=[^\n]*?["']([a-z][a-z0-9]*(?:-[a-z0-9]+)+)["']""")

PAGE = '''"""{summary}"""

from __future__ import annotations

from mlint.rule import {imports}


class {class_name}({base}):
    """What goes wrong, in one line, with `code` in backticks.

    ## Why
    What it costs, and when: the mechanism, with figures that were measured or a source that can be read.

    ## Fix safety
    {fix_safety}

    ## Known limits
    What the rule does not see, on purpose.

    ## References
    A paper, or a page of the library's own documentation.
    """

    code, name = "{code}", "{name}"
    libraries = ({libraries})
{body}

    examples = (
        Example(
            bad="{bad}",{good}
        ),
        Example(ok="{ok}"),
    )
'''

PATTERN_BODY = """    patterns = {{
        {pattern}: {replacement},
    }}
    safety = {safety}
    message = "what is wrong here; what to do"
"""

CHECK_BODY = """    safety = None
    message = "what is wrong here; what to do"
    triggers = (Call("{library}.function"),)

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        # Ask ctx what names mean, what kind an object is and where the code stands. What is not proven is not reported.
        yield from ()
"""


class WrongAnswerError(Exception):
    """An argument or an answer that cannot be used; the message says why."""


@dataclass(frozen=True)
class Wish:
    """What the new rule shall be."""

    family: str
    name: str
    code: str
    libraries: tuple[str, ...]
    pattern: str | None = None
    replacement: str | None = None

    @property
    def path(self) -> Path:
        """Where the rule belongs."""
        return ROOT / "rules" / self.family / f"{self.name.replace('-', '_')}.py"

    @property
    def class_name(self) -> str:
        """The name in capitals and without hyphens."""
        return "".join(word.capitalize() for word in self.name.split("-"))


def taken() -> tuple[dict[str, Path], dict[str, Path]]:
    """The codes and the names that rules have already."""
    codes: dict[str, Path] = {}
    names: dict[str, Path] = {}
    for path in sorted((ROOT / "rules").glob("*/*.py")):
        text = path.read_text(encoding="utf-8")
        codes.update((code, path) for code in CODE.findall(text))
        names.update((name, path) for name in RULE_NAME.findall(text))
    return codes, names


def next_code(family: str, codes: dict[str, Path]) -> str:
    """The lowest code of the family that lies above all that it has."""
    prefix = f"ML{FAMILIES[family]}"
    used = [int(code[2:]) for code in codes if code.startswith(prefix)]
    number = max(used, default=FAMILIES[family] * 100) + 1
    if number >= (FAMILIES[family] + 1) * 100:
        raise WrongAnswerError(f"the family {family} has no free code: give one with --code")
    return f"ML{number}"


def checked(wish: Wish) -> Wish:
    """The wish, when it can be fulfilled.

    Raises:
        WrongAnswerError: the family, name, code or libraries cannot be used.
    """
    codes, names = taken()
    if wish.family not in FAMILIES:
        raise WrongAnswerError(f"no family {wish.family!r}: one of {', '.join(FAMILIES)}")
    if not NAME.fullmatch(wish.name) or keyword.iskeyword(wish.name):
        raise WrongAnswerError(f"{wish.name!r} is no rule name: two or more words in lower case, joined by hyphens")
    if not re.fullmatch(rf"ML{FAMILIES[wish.family]}\d\d", wish.code):
        raise WrongAnswerError(f"{wish.code!r} is no code of {wish.family}: ML{FAMILIES[wish.family]}01 and up")
    if wish.code in codes:
        raise WrongAnswerError(f"{wish.code} is {codes[wish.code].relative_to(ROOT)}")
    if wish.name in names or wish.path.exists():
        raise WrongAnswerError(f"{wish.name} is {names.get(wish.name, wish.path).relative_to(ROOT)}")
    if not wish.libraries or not all(library.isidentifier() for library in wish.libraries):
        raise WrongAnswerError("name the libraries by what is imported, separated by commas: torch,numpy")
    if wish.replacement is not None and wish.pattern is None:
        raise WrongAnswerError("--to needs --pattern")
    return wish


def page(wish: Wish) -> str:
    """The text of the new rule's file."""
    imports = ["Example"]
    if wish.pattern is None:
        imports += ["Call", "Context", "Finding", "Rule"]
        body = CHECK_BODY.format(library=wish.libraries[0])
        good = ""
    else:
        imports.append("PatternRule")
        safety = "None"
        good = ""
        if wish.replacement is not None:
            imports.append("Safety")
            safety = "Safety.UNSAFE"
            good = '\n            good="write what the fix makes of it",'
            good += '\n            given="import ...; x = ...",  # makes what the code uses, with random inputs'
            good += '\n            equal="y",  # the name that must be equal before and after'
        body = PATTERN_BODY.format(
            pattern=json.dumps(wish.pattern), replacement=json.dumps(wish.replacement or None), safety=safety
        ).replace(": null,", ": None,")
    text = PAGE.format(
        summary=f"{wish.code} {wish.name}.",
        imports=", ".join(sorted(imports)),
        class_name=wish.class_name,
        base="Rule" if wish.pattern is None else "PatternRule",
        fix_safety=(
            "There is no fix: say what a person has to decide."
            if wish.replacement is None
            else "Unsafe until an executed example shows that the results are equal: then write Safety.SAFE, and why."
        ),
        code=wish.code,
        name=wish.name,
        libraries=", ".join(f'"{library}"' for library in wish.libraries) + ("," if len(wish.libraries) == 1 else ""),
        body=body.rstrip(),
        bad=f"import {wish.libraries[0]}\\n\\ny = write(the, code, that, is, wrong)",
        good=good,
        ok=f"import {wish.libraries[0]}\\n\\ny = write(code, that, looks, like, it, and_, is_, right)",
    )
    if wish.pattern is None:
        text = text.replace(
            "\nfrom mlint.rule", "\nimport ast\nfrom collections.abc import Iterator\n\nfrom mlint.rule", 1
        )
    return text


def ask(question: str, default: str = "") -> str:
    """One line from the terminal.

    Raises:
        WrongAnswerError: there is nobody to answer.
    """
    try:
        return input(f"{question}{f' [{default}]' if default else ''}: ").strip() or default
    except EOFError:
        raise WrongAnswerError(f"nobody answers: give it as an argument ({question})") from None


def main(argv: Sequence[str] | None = None) -> int:
    """Write the file; 0 when it is there, 2 when something given cannot be used."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("family", nargs="?", help=", ".join(FAMILIES))
    parser.add_argument("name", nargs="?", help="words joined by hyphens, which read well after 'allow'")
    parser.add_argument("--code", help="the next free one of the family when not given")
    parser.add_argument("--libraries", help="what the code imports: torch,numpy")
    parser.add_argument("--pattern", help="code with holes: torch.log(torch.softmax($x, $*rest))")
    parser.add_argument("--to", metavar="PATTERN", help="what the fix writes instead")
    given = parser.parse_args(argv)
    try:
        family = given.family or ask(f"Family ({', '.join(FAMILIES)})")
        if family not in FAMILIES:
            raise WrongAnswerError(f"no family {family!r}: one of {', '.join(FAMILIES)}")
        name = given.name or ask("Name, as in 'allow log-of-softmax'")
        code = given.code or next_code(family, taken()[0])
        if given.code is None and given.name is None:
            code = ask("Code", code)
        libraries = given.libraries or ask("Libraries, separated by commas")
        names = tuple(part.strip() for part in libraries.split(",") if part.strip())
        wish = checked(Wish(family, name, code, names, given.pattern, given.to))
    except WrongAnswerError as error:
        print(f"new_rule: {error}", file=sys.stderr)
        return 2
    wish.path.write_text(page(wish), encoding="utf-8")
    print(f"{wish.path.relative_to(ROOT)} is {wish.code}. Next: fill in its examples, then")
    print(f"    python -m pytest -k {wish.code}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
