"""Patterns: one text is matcher and template."""

from __future__ import annotations

import ast

import pytest

from mlint.model.file import FileModel
from mlint.pattern import Match, Pattern, PatternError, Template
from mlint.source import Source


def model_of(code: str) -> FileModel:
    source = Source.from_bytes(code.encode(), "example.py")
    return FileModel(source, source.parse())


def find(pattern: str, code: str, *, through_names: bool = False) -> list[tuple[Match, FileModel]]:
    """The matches of a pattern in a file, looked for as the engine does: call by call."""
    compiled = Pattern(pattern, through_names=through_names)
    model = model_of(code)
    found = []
    for node in ast.walk(model.module):
        if isinstance(node, ast.Call):
            match = compiled.match(node, model)
            if match is not None:
                found.append((match, model))
    return found


def one(pattern: str, code: str, *, through_names: bool = False) -> tuple[Match, FileModel]:
    found = find(pattern, code, through_names=through_names)
    assert len(found) == 1, f"{len(found)} matches"
    return found[0]


def texts(pattern: str, code: str) -> dict[str, str]:
    """What the metavariables of the one match stand for."""
    match, _ = one(pattern, code)
    return {
        name: ast.unparse(bound) if isinstance(bound, ast.AST) else ", ".join(map(ast.unparse, bound))
        for name, bound in match.variables.items()
    }


def render(pattern: str, template: str, code: str) -> tuple[str, list[str]] | None:
    match, model = one(pattern, code)
    return Template(template).render(match, model)


LOG_SOFTMAX = "torch.log(torch.softmax($x, $*args))"


@pytest.mark.parametrize(
    "code",
    [
        "import torch\ny = torch.log(torch.softmax(a, 1))",
        "import torch as th\ny = th.log(th.softmax(a, 1))",
        "from torch import log, softmax\ny = log(softmax(a, 1))",
        "from torch import log as ln, softmax as sm\ny = ln(sm(a, 1))",
        "import torch\nimport torch.nn.functional as F\ny = torch.log(F.softmax(a, 1))",
        "import torch\nfrom torch.nn.functional import softmax\ny = torch.log(softmax(a, 1))",
        "import torch\nfrom torch.nn import functional\ny = torch.log(functional.softmax(a, 1))",
        "import torch\ny = torch.log(torch.nn.functional.softmax(a, dim=1))",
        "import torch\ny = torch.log(torch.special.softmax(a, 1))",
        "import torch\na = torch.rand(3, 3)\ny = a.softmax(1).log()",
        "import torch\na = torch.rand(3, 3)\ny = torch.softmax(a, 1).log()",
        "import torch\ndef f(a: torch.Tensor):\n    return a.softmax(dim=1).log()",
        "import torch\ndef f(a):\n    return torch.log(a.softmax(1))",
        "import torch\ndef f(a):\n    import torch.nn.functional as nnf\n    return torch.log(nnf.softmax(a, 1))",
        "import torch\ny = torch.log(input=torch.softmax(dim=1, input=a))",
        "import torch\nsm = torch.softmax\ny = torch.log(sm(a, 1))",
        "try:\n    import torch\nexcept ImportError:\n    torch = None\ny = torch.log(torch.softmax(a, 1))",
    ],
)
def test_one_operation_in_all_its_spellings(code: str) -> None:
    match, _ = one(LOG_SOFTMAX, code)
    assert ast.unparse(match["x"]) == "a"
    rest = match.variables["args"]
    assert not isinstance(rest, ast.AST)
    assert [ast.unparse(item).removeprefix("dim=") for item in rest] == ["1"]
    assert match.proven


@pytest.mark.parametrize(
    "code",
    [
        "y = torch.log(torch.softmax(a, 1))",  # torch is not imported
        "from mylib import torch\ny = torch.log(torch.softmax(a, 1))",
        "import torch\nfrom mylib import softmax\ny = torch.log(softmax(a, 1))",
        "import torch\ndef softmax(a, d):\n    return a\ny = torch.log(softmax(a, 1))",
        "import torch\ny = a.softmax(1).log()",  # of what?
        "import torch\na = [1]\ny = torch.log(a.softmax(1))",  # a list has none
        "import torch, math\ny = math.log(torch.softmax(a, 1))",
        "import torch\ny = torch.log10(torch.softmax(a, 1))",
        "import torch\ny = torch.log(torch.softmax(a, 1) + 1e-9)",
        "import torch\ny = torch.log(torch.softmax(*arguments))",
        "import torch\ny = torch.log(torch.softmax(a, **options))",
        "import torch\nif a:\n    f = torch.softmax\nelse:\n    from mylib import f\ny = torch.log(f(a, 1))",
        "import torch\ny = torch.softmax(torch.log(a), 1)",
        "import torch\nfor torch in things:\n    y = torch.log(torch.softmax(a, 1))",
    ],
)
def test_what_is_not_the_operation(code: str) -> None:
    assert not find(LOG_SOFTMAX, code)


def test_arguments_without_a_rest_must_be_all() -> None:
    code = "import torch\ny = torch.sum(a, 1)\nz = torch.sum(b)"
    assert texts("torch.sum($x)", code) == {"x": "b"}


def test_rest_takes_positional_arguments_and_keywords() -> None:
    code = "import torch\ny = torch.sum(a, 1, keepdim=True)"
    assert texts("torch.sum($x, $*rest)", code) == {"x": "a", "rest": "1, keepdim=True"}
    assert texts("torch.sum($x, $*rest)", "import torch\ny = torch.sum(a)") == {"x": "a", "rest": ""}


def test_a_parameter_is_found_by_position_and_by_keyword() -> None:
    for call in ("torch.sum(a, 1)", "torch.sum(a, dim=1)", "torch.sum(dim=1, input=a)", "torch.sum(a, axis=1)"):
        assert texts("torch.sum($x, dim=$d)", f"import torch\ny = {call}") == {"x": "a", "d": "1"}
        assert texts("torch.sum($x, $d)", f"import torch\ny = {call}") == {"x": "a", "d": "1"}


def test_keywords_of_unknown_functions_match_in_any_order() -> None:
    code = "import mylib\ny = mylib.f(1, b=2, a=3)"
    assert texts("mylib.f($x, a=$a, b=$b)", code) == {"x": "1", "a": "3", "b": "2"}
    assert not find("mylib.f($x, a=$a)", code)
    assert texts("mylib.f($x, a=$a, $*rest)", code) == {"x": "1", "a": "3", "rest": "b=2"}


def test_a_method_takes_the_receiver_as_first_argument() -> None:
    code = "import torch\na = torch.rand(3)\ny = (a * 2).sum(0)"
    assert texts("torch.sum($x, $*rest)", code) == {"x": "a * 2", "rest": "0"}


def test_a_method_of_another_kind_is_another_operation() -> None:
    assert not find("torch.sum($x)", "import pandas as pd\nimport torch\na = pd.DataFrame()\ny = a.sum()")
    assert not find("torch.sum($x)", "import numpy as np\nimport torch\na = np.zeros(3)\ny = a.sum()")
    assert find("np.sum($x)", "import numpy as np\na = np.zeros(3)\ny = a.sum()")


def test_what_is_handed_to_numpy_is_a_match_but_no_proof() -> None:
    match, _ = one("np.log(np.sum($x, $*rest))", "import numpy as np\ndef f(a):\n    return np.log(a.sum(axis=1))")
    assert not match.proven
    match, _ = one("np.log(np.sum($x, $*rest))", "import numpy as np\ny = np.log(np.sum(a, axis=1))")
    assert match.proven


@pytest.mark.parametrize("operand", ["1 + a", "a + 1", "1.0 + a", "a + 1.", "(a) + 1"])
def test_sums_and_products_match_in_both_orders(operand: str) -> None:
    assert texts("torch.log(1 + $x)", f"import torch\ny = torch.log({operand})") == {"x": "a"}


@pytest.mark.parametrize(
    "operand", ["2 + a", "True + a", "1 - a", "a - 1", "1 * a", "1j + a", "(1 + 0j) + a", "-1 + a"]
)
def test_other_numbers_and_operators_do_not(operand: str) -> None:
    assert not find("torch.log(1 + $x)", f"import torch\ny = torch.log({operand})")


def test_differences_match_in_one_order() -> None:
    code = "import torch\ny = torch.exp(a) - 1\nz = 1 - torch.exp(b)"
    assert texts("torch.exp($x) - 1", code) == {"x": "a"}
    assert texts("1 - torch.exp($x)", code) == {"x": "b"}


def test_the_same_metavariable_is_the_same_code() -> None:
    pattern = "torch.sum($x * $x)"
    assert texts(pattern, "import torch\ny = torch.sum(a[0] * a[0])") == {"x": "a[0]"}
    assert not find(pattern, "import torch\ny = torch.sum(a[0] * a[1])")


def test_a_kind_must_be_proven() -> None:
    pattern = "mylib.f($x:Tensor)"
    assert find(pattern, "import mylib, torch\ny = mylib.f(torch.rand(3))")
    assert not find(pattern, "import mylib, torch\ny = mylib.f(a)")
    assert not find(pattern, "import mylib, numpy as np\ny = mylib.f(np.zeros(3))")
    assert find("mylib.f($x:Array)", "import mylib, numpy as np\ny = mylib.f(np.zeros(3))")


def test_a_method_of_a_metavariable() -> None:
    assert texts("$x.backward()", "loss.backward()") == {"x": "loss"}
    assert not find("$x.backward()", "loss.backward(retain_graph=True)")
    assert texts("$x.backward($*rest)", "loss.backward(retain_graph=True)") == {
        "x": "loss",
        "rest": "retain_graph=True",
    }


def test_constants() -> None:
    assert find("mylib.f(None)", "import mylib\nmylib.f(None)")
    assert not find("mylib.f(None)", "import mylib\nmylib.f(0)")
    assert find('float("nan")', "y = float('nan')")
    assert not find('float("nan")', "def float(x):\n    return x\ny = float('nan')")
    assert not find("mylib.f(1)", "import mylib\nmylib.f(True)")


def test_names_and_attributes_go_by_meaning() -> None:
    assert find("mylib.f(np.nan)", "import mylib\nfrom numpy import nan as missing\nmylib.f(missing)")
    assert not find("mylib.f(np.nan)", "import mylib\nnan = 3\nmylib.f(nan)")


def test_an_anchor_may_stand_deep() -> None:
    pattern = Pattern("($x - torch.exp($y)) / 2")
    assert pattern.depth == 2
    assert pattern.words == {"exp"}
    assert texts("($x - torch.exp($y)) / 2", "import torch\nz = (a - torch.exp(b)) / 2") == {"x": "a", "y": "b"}


def test_words_are_those_of_all_spellings() -> None:
    assert Pattern("torch.linalg.inv($x)").words == {"inverse", "inv"}
    assert Pattern("mylib.f($x)").words == {"f"}
    assert Pattern("$x.backward()").words == {"backward"}


@pytest.mark.parametrize("text", ["torch.log(", "$x + 1", "torch.log($x:Nonsense)", "1 +"])
def test_a_pattern_that_cannot_be_read(text: str) -> None:
    with pytest.raises(PatternError):
        Pattern(text)


# Local names


def test_a_name_stands_for_what_was_assigned_to_it() -> None:
    code = "import torch\ndef f(a):\n    p = torch.softmax(a, 1)\n    return torch.log(p)"
    assert not find(LOG_SOFTMAX, code)
    match, _ = one(LOG_SOFTMAX, code, through_names=True)
    assert [(name.id, assignment.lineno) for name, assignment in match.names] == [("p", 3)]


def test_through_several_names() -> None:
    code = "import torch\ndef f(a):\n    e = torch.exp(a)\n    s = e.sum(1)\n    return torch.log(s)"
    match, _ = one("torch.log(torch.sum(torch.exp($x), $*rest))", code, through_names=True)
    assert [name.id for name, _ in match.names] == ["s", "e"]


@pytest.mark.parametrize(
    "body",
    [
        "p = torch.softmax(a, 1)\n    a = a * 2\n    return torch.log(p)",
        "p = torch.softmax(a, 1)\n    a[0] = 2\n    return torch.log(p)",
        "p = torch.softmax(a, 1)\n    a.mul_(2)\n    return torch.log(p)",
        "p = torch.softmax(a, 1)\n    p[0] = 2\n    return torch.log(p)",
        "p = torch.softmax(a, 1)\n    p += 1\n    return torch.log(p)",
        "p = torch.softmax(a, 1)\n    torch.add(a, 1, out=p)\n    return torch.log(p)",
        "p = torch.softmax(a, 1)\n    if hard:\n        p = b\n    return torch.log(p)",
        "if hard:\n        p = torch.softmax(a, 1)\n    return torch.log(p)",
        "p = torch.softmax(a, 1)\n    for a in b:\n        q = torch.log(p)",
        "p = torch.softmax(a, 1)\n    return lambda: torch.log(p)",
        "p = q = torch.softmax(a, 1)\n    return torch.log(p)",
        "p, q = torch.softmax(a, 1)\n    return torch.log(p)",
        "global p\n    p = torch.softmax(a, 1)\n    g()\n    return torch.log(p)",
    ],
)
def test_a_name_whose_value_may_be_another(body: str) -> None:
    code = f"import torch\ndef f(a, b, hard):\n    {body}"
    assert not find(LOG_SOFTMAX, code, through_names=True)


# Rendering


@pytest.mark.parametrize(
    ("code", "text", "imports"),
    [
        ("import torch\ny = torch.log(torch.softmax(a, 1))", "torch.log_softmax($x, $*args)", []),
        ("import torch as th\ny = th.log(th.softmax(a, 1))", "th.log_softmax($x, $*args)", []),
        (
            "import torch\nimport torch.nn.functional as F\ny = torch.log(F.softmax(a, 1))",
            "F.log_softmax($x, $*args)",
            [],
        ),
        ("import torch\na = torch.rand(3)\ny = a.softmax(0).log()", "$x.log_softmax($*args)", []),
        ("import torch\na = torch.rand(3)\ny = torch.softmax(a, 0).log()", "torch.log_softmax($x, $*args)", []),
        (
            "import torch\nfrom torch.nn.functional import softmax\ny = torch.log(softmax(a, 0))",
            "log_softmax($x, $*args)",
            ["from torch.nn.functional import log_softmax"],
        ),
        (
            "from torch import log, softmax\ny = log(softmax(a, 0))",
            "log_softmax($x, $*args)",
            ["from torch import log_softmax"],
        ),
    ],
)
def test_the_form_of_the_code_is_kept(code: str, text: str, imports: list[str]) -> None:
    assert render(LOG_SOFTMAX, "torch.log_softmax($x, $*args)", code) == (text, imports)


def test_the_aliases_of_the_file_are_used() -> None:
    code = "import torch\nfrom torch.nn import functional as fun\ny = torch.log(torch.sigmoid(a))"
    assert render("torch.log(torch.sigmoid($x))", "torch.nn.functional.logsigmoid($x)", code) == (
        "fun.logsigmoid($x)",
        [],
    )


def test_an_import_is_added_where_none_serves() -> None:
    code = "from mylib import f\ny = f(a)"
    assert render("mylib.f($x)", "np.abs($x)", code) == ("np.abs($x)", ["import numpy as np"])
    assert render("mylib.f($x)", "scipy.special.expit($x)", code) == (
        "expit($x)",
        ["from scipy.special import expit"],
    )


def test_a_name_of_the_module_that_the_code_imports_from() -> None:
    code = "from numpy import log\ny = log(1 + a)"
    assert render("np.log(1 + $x)", "np.log1p($x)", code) == ("log1p($x)", ["from numpy import log1p"])
    taken = "from numpy import log\nlog1p = 3\ny = log(1 + a)"
    assert render("np.log(1 + $x)", "np.log1p($x)", taken) == ("np.log1p($x)", ["import numpy as np"])


def test_positional_arguments_that_would_mean_something_else() -> None:
    code = "import torch\nimport torch.nn.functional as F\ny = torch.log(F.softmax(a, 1, 3))"
    assert render(LOG_SOFTMAX, "torch.log_softmax($x, $*args)", code) == ("F.log_softmax($x, $*args)", [])
    code = "import numpy as np\nfrom scipy import special\ny = np.log(np.sum(np.exp(a), 1, np.float32))"
    pattern = "np.log(np.sum(np.exp($x), $*rest))"
    assert render(pattern, "scipy.special.logsumexp($x, $*rest)", code) is None
    code = code.replace("np.float32", "keepdims=True")
    assert render(pattern, "scipy.special.logsumexp($x, $*rest)", code) == ("special.logsumexp($x, $*rest)", [])


def test_keywords_that_the_new_function_does_not_know() -> None:
    code = "import torch\ny = torch.log(torch.sum(torch.exp(a), 1, dtype=torch.float64))"
    pattern = "torch.log(torch.sum(torch.exp($x), $*rest))"
    assert render(pattern, "torch.logsumexp($x, $*rest)", code) is None
    code = code.replace("dtype=torch.float64", "keepdim=True")
    assert render(pattern, "torch.logsumexp($x, $*rest)", code) == ("torch.logsumexp($x, $*rest)", [])
