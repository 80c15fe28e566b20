"""What the texts of other files tell without being parsed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mlint.model.project import Project

WORDS = re.compile(r"zero_grad")
FILES = {
    "plain.py": "import os\n\ndef clear(o):\n    o.zero_grad()\n\ndef say(o):\n    print(os.getpid(), o)\n",
    "calls.py": "from plain import clear as c\nimport plain\n\ndef one(o):\n    c(o)\n\ndef two(o):\n"
    "    plain.clear(o)\n"
    "\ndef three(o):\n    plain.say(o)\n\nclass K:\n    def m(self, o):\n        one(o)\n\nclass L(K):\n    pass\n",
    "pkg/__init__.py": "from .inner import (  # the one (and only)\n    clear,\n    say as tell,\n)\n"
    "from .inner import \\\n    more\n",
    "space/deep/last.py": "def clear(o):\n    o.zero_grad()\n\ndef say(o):\n    pass\n",
    "dotted.py": "import space.deep.last\n\ndef f(o):\n    space.deep.last.clear(o)\n\ndef g(o):\n"
    "    space.deep.last.say(o)\n",
    "pkg/inner.py": "from ..plain import clear, say\n\ndef more(o):\n    return [say(x)\n  for x in o]\n",
    "marks.py": "from plain import clear\n\ndef mark(f):\n    clear(f)\n    return f\n\n@mark\ndef f(o):\n    pass\n\n"
    "@mark(\n    1\n)\ndef g(o):\n    pass\n\ndef h(o):\n    pass\n",
    "text.py": 'def f(o):\n    """A\ndocstring at the margin.\n"""\n    o.zero_grad()\n\nname = 3\n',
    "cond.py": "import os\n\nif os.sep == '/':\n    def g(o):\n        pass\n",
    "maybe.py": "try:\n    from plain import clear\nexcept ImportError:\n    def g(o):\n        pass\n\ndef f(o):\n"
    "    clear(o)\n",
    "star.py": "from plain import *\n\ndef f(o):\n    clear(o)\n",
    "circle_a.py": "import circle_b\n\ndef f(o):\n    circle_b.f(o)\n",
    "circle_b.py": "import circle_a\n\ndef f(o):\n    circle_a.f(o)\n",
}


@pytest.mark.parametrize(
    ("dotted", "may"),
    [
        ("plain.clear", True),
        ("plain.say", False),
        ("calls.one", True),
        ("calls.two", True),
        ("calls.three", False),
        ("calls.K", True),
        ("calls.L", True),
        ("pkg.clear", True),
        ("pkg.tell", False),
        ("pkg.more", False),
        (".plain.say", False),
        ("marks.f", True),
        ("marks.g", True),
        ("marks.h", False),
        ("text.f", True),
        ("text.name", False),
        ("text.other", True),
        ("maybe.f", True),
        ("maybe.g", True),
        ("cond.g", False),
        ("star.f", True),
        ("circle_a.f", False),
        ("dotted.f", True),
        ("dotted.g", False),
        ("elsewhere.f", True),
    ],
)
def test_may(tmp_path: Path, dotted: str, may: bool) -> None:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    project = Project()
    assert project.glances.may(dotted, str(tmp_path / "main.py"), WORDS) is may
    if dotted == "calls.three":
        assert {Path(file).name for file in project.consulted(str(tmp_path / "main.py")) if Path(file).exists()} == {
            "calls.py",
            "plain.py",
        }
