from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import partial

from mlint.rule import ESTIMATOR, Call, Context, Edit, Example, Finding, Fix, Method, Read, Rule, Safety

XGB = ("XGBClassifier", "XGBRegressor", "XGBRanker", "XGBRFClassifier", "XGBRFRegressor")
LGBM = ("LGBMClassifier", "LGBMRegressor", "LGBMRanker", "LGBMModel")
BOOSTER = "xgboost.Booster"
IGNORED = {
    "predictor": "2.0",
    "single_precision_histogram": "2.0",
    "use_label_encoder": "1.7",
    "n_gpus": "1.0",
    "silent": "1.0",
}
"""Parameters that XGBoost takes no notice of any more, with the release that dropped them."""
MOVED = ("early_stopping_rounds", "eval_metric", "callbacks")
"""Arguments of `fit` that XGBoost 2.1 knows in the constructor only."""
CALLBACKS = ("early_stopping_rounds", "verbose_eval", "verbose", "evals_result")
"""Arguments of LightGBM that version 4 knows as callbacks only, in the order in which they become these."""
_ACTS = (ast.Call, ast.NamedExpr, ast.Await, ast.Yield, ast.YieldFrom)

GIVEN_LGB = (
    "import lightgbm as lgb\nimport numpy as np\nX = np.random.rand(80, 3)\ny = (X[:, 0] > 0.5).astype(int)\n"
    "data, held = lgb.Dataset(X, y), lgb.Dataset(X, y)\nparams = {'objective': 'binary', 'verbose': -1}\n"
)
GIVEN_XGB = "import numpy as np\nimport xgboost as xgb\nX = np.random.rand(80, 3)\ny = (X[:, 0] > 0.5).astype(int)\n"


class BoostingRemovedArgument(Rule):
    """The boosting library has removed this argument: the call raises, or takes no notice of it.

    ## Why
    LightGBM 4.0 took `early_stopping_rounds`, `verbose_eval` and `evals_result` out of `train`, `cv` and `fit`:
    callbacks do that now. XGBoost 2.1 moved `early_stopping_rounds`, `eval_metric` and `callbacks` from `fit` to the
    constructor; `tree_method="gpu_hist"` and `gpu_id` became `device`, and raise in XGBoost 3.1; `ntree_limit` became
    `iteration_range`. Names like `predictor` and `use_label_encoder` give a warning and nothing else.

    ## Fix safety
    Safe: the old call raises, or the argument has no effect. Arguments of `fit` go to the constructor only where it
    stands in the same function, its object is used for nothing but this one `fit` and methods, and their values are
    known there; else the finding has no fix. `device` is offered where XGBoost 2 or newer is targeted.

    Unsafe where a value is not known that the old argument took as "off": `lgb.early_stopping(None)` raises, and so do
    a period or a dict that is None; where `**arguments` may hold `callbacks` as well; where a GPU's number may be -1;
    and where a limit of trees is not a number or belongs to a random forest, which has several trees a round.

    ## References
    - LightGBM 4.0.0 release notes, breaking changes; documentation of `lightgbm.early_stopping`.
    - XGBoost documentation, "XGBoost Parameters" (`device`, `tree_method`), and release notes of 2.1 and 3.1.
    """

    code, name = "ML823", "boosting-removed-argument"
    libraries = ("xgboost", "lightgbm")
    safety = (Safety.SAFE, Safety.UNSAFE)
    triggers = (
        Call("lightgbm.train", "lightgbm.cv", "lightgbm.Dataset", "xgboost.train", "xgboost.cv"),
        Call(*(f"xgboost.{name}" for name in XGB)),
        Method("fit", of=ESTIMATOR),
        Method("predict", "predict_proba", of=(ESTIMATOR, BOOSTER)),
        Read("best_ntree_limit", of=(ESTIMATOR, BOOSTER)),
    )

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        if isinstance(node, ast.Attribute):
            yield from self._best(node, ctx)
        if not isinstance(node, ast.Call):
            return
        dotted = ctx.dotted(node.func) or ""
        if dotted in ("lightgbm.train", "lightgbm.cv"):
            yield from self._lightgbm(node, ("early_stopping_rounds", "verbose_eval", "evals_result"), ctx)
        elif dotted == "lightgbm.Dataset":
            yield from self._dataset(node, ctx)
        elif dotted in ("xgboost.train", "xgboost.cv"):
            yield from self._parameters(node, ctx)
        elif dotted.startswith("xgboost."):
            yield from self._constructor(node, ctx)
        elif isinstance(node.func, ast.Attribute):
            library, _, name = ctx.kinds.of(node.func.value).name.partition(".")
            if node.func.attr == "fit" and library == "lightgbm" and name in LGBM:
                yield from self._lightgbm(node, ("early_stopping_rounds", "verbose"), ctx)
            elif node.func.attr == "fit" and library == "xgboost" and name in XGB:
                yield from self._fit(node, node.func, ctx)
            elif library == "xgboost" and name in (*XGB, "Booster"):
                yield from self._predict(node, ctx)

    # LightGBM

    def _lightgbm(self, call: ast.Call, names: tuple[str, ...], ctx: Context) -> Iterator[Finding]:
        found = {k.arg: k for k in call.keywords if k.arg is not None and k.arg in names}
        if not found or ctx.targets("lightgbm", "<4.0"):
            return
        first = next(k for k in call.keywords if k.arg in names)
        said = ", ".join(f"`{name}`" for name in found)
        fix = None
        if not ctx.versions.target("lightgbm") or ctx.targets("lightgbm", ">=3.3"):
            safety = Safety.SAFE if self._runs_as_callbacks(call, found, ctx) else Safety.UNSAFE
            fix = ctx.fix(lambda: self._callbacks(call, found, ctx), safety, "Use callbacks")
        yield ctx.finding(
            first,
            f"LightGBM 4 knows no {said} in `{ctx.short(call.func)}`: TypeError",
            self._instead(found),
            fix,
        )

    def _instead(self, found: dict[str, ast.keyword]) -> str:
        """What to write for the arguments that a call has."""
        shown = found.get("verbose_eval") or found.get("verbose")
        silent = shown is not None and _is_off(shown.value)
        parts: list[str] = []
        for name in CALLBACKS:
            keyword = found.get(name)
            if keyword is None or _is_none(keyword.value) or (name != "evals_result" and _is_off(keyword.value)):
                continue
            if name == "early_stopping_rounds":
                parts.append(f"lgb.early_stopping(…{', verbose=False' if silent else ''})")
            else:
                parts.append("lgb.record_evaluation(…)" if name == "evals_result" else "lgb.log_evaluation(…)")
        if parts:
            return f"use `callbacks=[{', '.join(parts)}]`"
        return "remove it" if len(found) == 1 else "remove them"

    def _runs_as_callbacks(self, call: ast.Call, found: dict[str, ast.keyword], ctx: Context) -> bool:
        """Whether the callbacks certainly take the values: None and 0 turned an argument off, and make them raise."""
        if ctx.open_ended(call):
            return False  # it may hold `callbacks` as well
        for name, keyword in found.items():
            value = keyword.value
            if _is_none(value) or (name != "evals_result" and _is_off(value)):
                continue
            if name == "evals_result":
                sure = _is_made(value, (ast.Dict, ast.DictComp), ctx)
            elif name == "early_stopping_rounds":
                sure = isinstance(value, ast.Constant) and isinstance(value.value, int) and value.value > 0
            else:
                sure = isinstance(value, ast.Constant) and isinstance(value.value, int)
            if not sure:
                return False
        return True

    def _callbacks(self, call: ast.Call, found: dict[str, ast.keyword], ctx: Context) -> list[Edit]:
        edits: list[Edit] = []
        parts: list[str] = []

        def add(function: str, arguments: str) -> None:
            written, imports = ctx.edits.name(f"lightgbm.{function}", call)
            edits.extend(edit for edit in imports if edit not in edits)
            parts.append(f"{written}({arguments})")

        shown = found.get("verbose_eval") or found.get("verbose")
        silent = shown is not None and _is_off(shown.value)
        for name in CALLBACKS:
            keyword = found.get(name)
            if keyword is None or _is_none(keyword.value):
                continue
            if name == "early_stopping_rounds" and _is_off(keyword.value):
                continue
            value = " ".join(ctx.text(keyword.value).split())
            if name == "early_stopping_rounds":
                add("early_stopping", f"{value}, verbose=False" if silent else value)
            elif name == "evals_result":
                add("record_evaluation", value)
            elif not _is_off(keyword.value):
                add("log_evaluation", "" if value == "True" else value)
        old = ctx.argument(call, "callbacks")
        if isinstance(old, ast.List):
            parts = [*(" ".join(ctx.text(element).split()) for element in old.elts), *parts]
        elif old is not None and not _is_none(old):
            known = _is_made(old, (ast.List, ast.Tuple, ast.ListComp), ctx)
            atom = isinstance(old, (ast.Name, ast.Attribute, ast.Subscript, ast.Call))
            given = ctx.text(old) if atom else f"({ctx.text(old)})"
            parts = [f"*{given}" if known and atom else f"*({given} or [])", *parts]
        written = f"callbacks=[{', '.join(parts)}]"
        gone = [k for k in call.keywords if k.arg in found or k.arg == "callbacks"]
        if parts and len(gone) <= 2:  # the layout of the others stays
            start, end = ctx.source.span(gone[0])
            edits.extend(ctx.edits.remove_keyword(call, k.arg or "") for k in gone[1:])
            return [*edits, Edit(start, end, written)]
        kept: list[ast.expr | ast.keyword] = [*call.args, *(k for k in call.keywords if k not in gone)]
        template = f"{ctx.text(call.func)}($*rest, {written})" if parts else f"{ctx.text(call.func)}($*rest)"
        return [*edits, ctx.edits.replace(call, template, rest=kept)]

    def _dataset(self, call: ast.Call, ctx: Context) -> Iterator[Finding]:
        if ctx.argument(call, "silent") is None or ctx.targets("lightgbm", "<4.0"):
            return
        keyword = next(k for k in call.keywords if k.arg == "silent")
        fix = ctx.fix(lambda: ctx.edits.remove_keyword(call, "silent"), Safety.SAFE, "Remove `silent`")
        yield ctx.finding(
            keyword, "LightGBM 4 knows no `silent` in `Dataset`: TypeError", "remove it; `verbose` is a parameter", fix
        )

    # XGBoost

    def _fit(self, call: ast.Call, func: ast.Attribute, ctx: Context) -> Iterator[Finding]:
        found = [k for k in call.keywords if k.arg in MOVED]
        if not found or ctx.targets("xgboost", "<2.1"):
            return
        said = ", ".join(f"`{k.arg}`" for k in found)
        fix: Fix | None = None
        constructor = self._made(func.value, found, ctx)
        if constructor is not None and (not ctx.versions.target("xgboost") or ctx.targets("xgboost", ">=1.6")):
            made = constructor
            fix = ctx.fix(lambda: self._moved(call, made, found, ctx), Safety.SAFE, f"Move {said} to the constructor")
        yield ctx.finding(
            found[0],
            f"`fit` of XGBoost 2.1 knows no {said}: TypeError",
            "pass it to the constructor" if len(found) == 1 else "pass them to the constructor",
            fix,
        )

    def _made(self, model: ast.expr, moved: list[ast.keyword], ctx: Context) -> ast.Call | None:
        """The constructor whose object is used for this one fit, if the arguments can go there."""
        if not isinstance(model, ast.Name):
            return None
        bindings = ctx.reaching.of(model)
        if bindings is None or len(bindings) != 1 or bindings[0].how != "assign" or bindings[0].path:
            return None
        constructor = bindings[0].value
        assignment = bindings[0].node
        if not isinstance(constructor, ast.Call) or not isinstance(assignment, ast.Assign):
            return None
        if (ctx.dotted(constructor.func) or "").rpartition(".")[0] != "xgboost" or constructor.args:
            return None
        if any(ctx.argument(constructor, k.arg or "") is not None for k in moved):
            return None
        if not all(self._known_at(k.value, assignment, ctx) for k in moved):
            return None
        for use in ctx.flow.uses_after(model.id, assignment):
            parent = ctx.tree.parent(use)
            if use is model:
                continue
            if not isinstance(parent, ast.Attribute) or parent.attr in ("fit", "set_params", "get_params"):
                return None
        return constructor

    def _known_at(self, value: ast.expr, place: ast.stmt, ctx: Context) -> bool:
        """Whether a value can be written where the constructor stands."""
        for part in ast.walk(value):
            if isinstance(part, (ast.Call, ast.Attribute, ast.Lambda, ast.comprehension)):
                return False
            if isinstance(part, ast.Name):
                found = ctx.reaching.of(part)
                if found is None or len(found) != 1 or getattr(found[0].node, "lineno", 1 << 30) >= place.lineno:
                    return False
        return True

    def _moved(self, call: ast.Call, constructor: ast.Call, moved: list[ast.keyword], ctx: Context) -> list[Edit]:
        values = {f"v{number}": k.value for number, k in enumerate(moved)}
        added = ", ".join(f"{k.arg}=$v{number}" for number, k in enumerate(moved))
        rest: list[ast.expr | ast.keyword] = [*constructor.keywords]
        head = ctx.text(constructor.func)
        template = f"{head}($*rest, {added})" if rest else f"{head}({added})"
        kept: list[ast.expr | ast.keyword] = [*call.args, *(k for k in call.keywords if k not in moved)]
        return [
            ctx.edits.replace(constructor, template, rest=rest, **values),
            ctx.edits.replace(call, f"{ctx.text(call.func)}($*rest)", rest=kept),
        ]

    def _constructor(self, call: ast.Call, ctx: Context) -> Iterator[Finding]:
        """Parameters given as keywords."""
        for keyword in call.keywords:
            said = None if keyword.arg is None else self._parameter(keyword.arg, keyword.value, ctx)
            if said is None or keyword.arg is None:
                continue
            message, advice = said
            name = keyword.arg
            fix = None
            if name in IGNORED and any(isinstance(part, _ACTS) for part in ast.walk(keyword.value)):
                fix = None  # what it calls would not be called any more
            elif name in IGNORED:
                fix = ctx.fix(partial(ctx.edits.remove_keyword, call, name), Safety.SAFE, f"Remove `{name}`")
            elif name == "objective":
                fix = ctx.fix(
                    lambda: ctx.edits.set_keyword(call, "objective", '"reg:squarederror"'),
                    Safety.SAFE,
                    "Use `reg:squarederror`",
                )
            elif isinstance(ctx.argument(call, "gpu_id"), ast.UnaryOp):
                fix = None  # -1 stood for no GPU
            elif ctx.targets("xgboost", ">=2.0") and ctx.argument(call, "device") is None:
                number = ctx.argument(call, "gpu_id")
                safety = Safety.SAFE if number is None or isinstance(number, ast.Constant) else Safety.UNSAFE
                fix = ctx.fix(lambda: self._on_device(call, ctx), safety, "Use `device`")
            yield ctx.finding(keyword, message, advice, fix)
            if name in ("tree_method", "gpu_id"):
                return  # both become one `device`

    def _on_device(self, call: ast.Call, ctx: Context) -> Edit:
        gone = [k for k in call.keywords if k.arg == "gpu_id" or (k.arg == "tree_method" and _is_gpu(k.value))]
        number = next((k.value for k in gone if k.arg == "gpu_id"), None)
        parts: dict[str, ast.expr] = {}
        added = [] if all(k.arg == "gpu_id" for k in gone) else ['tree_method="hist"']
        if number is None:
            added.append('device="cuda"')
        elif isinstance(number, ast.Constant):
            added.append(f'device="cuda:{ctx.text(number)}"')
        else:
            parts["number"] = number
            added.append('device="cuda:" + str($number)')
        kept: list[ast.expr | ast.keyword] = [*call.args, *(k for k in call.keywords if k not in gone)]
        head = ctx.text(call.func)
        inside = ["$*rest", *added] if kept else added
        return ctx.edits.replace(call, f"{head}({', '.join(inside)})", rest=kept, **parts)

    def _parameters(self, call: ast.Call, ctx: Context) -> Iterator[Finding]:
        """Parameters given to `train` as a dict, written where it stands or assigned once."""
        params = ctx.argument(call, "params", 0)
        if isinstance(params, ast.Name):
            bindings = ctx.reaching.of(params)
            if bindings is None or len(bindings) != 1 or bindings[0].how != "assign" or bindings[0].path:
                return
            params = bindings[0].value
        pairs: list[tuple[ast.AST, str | None, ast.expr]]
        if isinstance(params, ast.Call) and ctx.dotted(params.func) == "dict":
            pairs = [(k, k.arg, k.value) for k in params.keywords]
        elif isinstance(params, ast.Dict):
            pairs = [
                (key, key.value, value)
                for key, value in zip(params.keys, params.values)
                if isinstance(key, ast.Constant) and isinstance(key.value, str)
            ]
        else:
            return
        for place, name, value in pairs:
            said = None if name is None else self._parameter(name, value, ctx)
            if said is None:
                continue
            fix = None
            if name == "objective":
                build = partial(ctx.edits.replace, value, '"reg:squarederror"')
                fix = ctx.fix(build, Safety.SAFE, "Use `reg:squarederror`")
            yield ctx.finding(place, *said, fix, end=value)

    def _parameter(self, name: str, value: ast.expr, ctx: Context) -> tuple[str, str] | None:
        """What is wrong with a parameter of XGBoost, and what to do."""
        if name in IGNORED:
            if ctx.targets("xgboost", f"<{IGNORED[name]}"):
                return None
            return f"XGBoost takes no notice of `{name}` since {IGNORED[name]}", "remove it"
        if ctx.targets("xgboost", "<2.0"):
            return None
        if name == "tree_method" and _is_gpu(value):
            return f"`{ctx.short(value)}` raises in XGBoost 3", 'use `tree_method="hist"` and `device="cuda"`'
        if name == "gpu_id":
            return "`gpu_id` raises in XGBoost 3.1", 'use `device="cuda:…"`'
        if name == "objective" and isinstance(value, ast.Constant) and value.value == "reg:linear":
            return "`reg:linear` is deprecated", "use `reg:squarederror`"
        return None

    def _predict(self, call: ast.Call, ctx: Context) -> Iterator[Finding]:
        limit = ctx.argument(call, "ntree_limit")
        if limit is None or ctx.targets("xgboost", "<2.0"):
            return
        keyword = next(k for k in call.keywords if k.arg == "ntree_limit")
        kept: list[ast.expr | ast.keyword] = [*call.args, *(k for k in call.keywords if k is not keyword)]
        best = isinstance(limit, ast.Attribute) and limit.attr == "best_ntree_limit"
        value = limit.value if best and isinstance(limit, ast.Attribute) else limit
        end = "$n.best_iteration + 1" if best else "$n"
        counted = isinstance(limit, ast.Constant) and type(limit.value) is int and limit.value >= 0
        forest = "RF" in ctx.kinds.of(call.func.value).name if isinstance(call.func, ast.Attribute) else True
        safety = Safety.SAFE if (best or counted) and not forest else Safety.UNSAFE
        fix = ctx.fix(
            lambda: ctx.edits.replace(
                call, f"{ctx.text(call.func)}($*rest, iteration_range=(0, {end}))", rest=kept, n=value
            ),
            safety,
            "Use `iteration_range`",
        )
        yield ctx.finding(keyword, "XGBoost 2 knows no `ntree_limit`: TypeError", "use `iteration_range=(0, …)`", fix)

    def _best(self, node: ast.Attribute, ctx: Context) -> Iterator[Finding]:
        parent = ctx.tree.parent(node)
        if isinstance(parent, ast.keyword) and parent.arg == "ntree_limit":
            return  # said of the call
        if not ctx.kinds.of(node.value).name.startswith("xgboost.") or ctx.targets("xgboost", "<2.0"):
            return
        fix = ctx.fix(
            lambda: ctx.edits.replace(node, "$model.best_iteration + 1", model=node.value),
            Safety.SAFE,
            "Use `best_iteration + 1`",
        )
        yield ctx.finding(node, "XGBoost 2 has no `best_ntree_limit`: AttributeError", "use `best_iteration + 1`", fix)

    examples = (
        Example(
            given=GIVEN_XGB,
            bad="model = xgb.XGBClassifier(gpu_id=-1)",
            targets={"xgboost": ">=2.1"},
            note="-1 stood for no GPU: no fix",
        ),
        Example(
            given=GIVEN_LGB,
            bad="model = lgb.train(params, data, 9, valid_sets=[held], early_stopping_rounds=3, verbose_eval=False)",
            good=(
                "model = lgb.train(params, data, 9, valid_sets=[held], "
                "callbacks=[lgb.early_stopping(3, verbose=False)])"
            ),
            equal="model.num_trees()",
            raises="TypeError",
        ),
        Example(
            given=GIVEN_LGB + "seen = {}\n",
            bad=(
                "model = lgb.train(\n    params,\n    data,\n    valid_sets=[held],\n    verbose_eval=50,\n"
                "    evals_result=seen,\n)"
            ),
            good=(
                "model = lgb.train(\n    params,\n    data,\n    valid_sets=[held],\n"
                "    callbacks=[lgb.log_evaluation(50), lgb.record_evaluation(seen)],\n)"
            ),
            equal="len(seen)",
            raises="TypeError",
        ),
        Example(
            given=GIVEN_LGB,
            bad=(
                "model = lgb.LGBMClassifier(verbose=-1)\n"
                "model.fit(X, y, eval_set=[(X, y)], eval_metric='auc', early_stopping_rounds=5, verbose=True,\n"
                "          callbacks=[lgb.reset_parameter(learning_rate=[0.1] * 100)])"
            ),
            good=(
                "model = lgb.LGBMClassifier(verbose=-1)\n"
                "model.fit(X, y, eval_set=[(X, y)], eval_metric='auc', "
                "callbacks=[lgb.reset_parameter(learning_rate=[0.1] * 100), lgb.early_stopping(5), "
                "lgb.log_evaluation()])"
            ),
            equal="len(model.classes_)",
            raises="TypeError",
        ),
        Example(
            given=GIVEN_LGB + "cb = None if np.random.rand() < 0.5 else [lgb.log_evaluation(50)]\n",
            bad="model = lgb.train(params, data, 9, valid_sets=[held], early_stopping_rounds=3, callbacks=cb)",
            good=(
                "model = lgb.train(params, data, 9, valid_sets=[held], "
                "callbacks=[*(cb or []), lgb.early_stopping(3)])"
            ),
            equal="model.num_trees()",
            raises="TypeError",
            safety="safe",
            note="`cb` may be None",
        ),
        Example(
            given=GIVEN_LGB + "cb = [lgb.log_evaluation(50)]\n",
            bad="model = lgb.train(params, data, 9, valid_sets=[held], early_stopping_rounds=3, callbacks=cb)",
            good="model = lgb.train(params, data, 9, valid_sets=[held], callbacks=[*cb, lgb.early_stopping(3)])",
            equal="model.num_trees()",
            raises="TypeError",
            safety="safe",
        ),
        Example(
            given=GIVEN_LGB + "patience = int(np.random.randint(3, 5))\n",
            bad="model = lgb.train(params, data, 9, valid_sets=[held], early_stopping_rounds=patience)",
            good="model = lgb.train(params, data, 9, valid_sets=[held], callbacks=[lgb.early_stopping(patience)])",
            equal="model.num_trees()",
            raises="TypeError",
            safety="unsafe",
            note="`patience` may be 0 or None",
        ),
        Example(
            given=GIVEN_LGB,
            bad="model = lgb.train(params, data, 9, early_stopping_rounds=None, verbose_eval=False)",
            good="model = lgb.train(params, data, 9)",
            equal="model.num_trees()",
            raises="TypeError",
            safety="safe",
        ),
        Example(
            given=GIVEN_LGB,
            bad="more = lgb.Dataset(X, y, silent=True)",
            good="more = lgb.Dataset(X, y)",
            equal="more.get_label() is not None",
            raises="TypeError",
        ),
        Example(
            given=GIVEN_XGB,
            bad=(
                "model = xgb.XGBClassifier(n_estimators=20)\n"
                "model.fit(X, y, eval_set=[(X, y)], early_stopping_rounds=5, eval_metric='auc', verbose=False)\n"
                "p = model.predict(X)"
            ),
            good=(
                "model = xgb.XGBClassifier(n_estimators=20, early_stopping_rounds=5, eval_metric='auc')\n"
                "model.fit(X, y, eval_set=[(X, y)], verbose=False)\n"
                "p = model.predict(X)"
            ),
            equal="len(p)",
            raises="TypeError",
        ),
        Example(
            given="import xgboost as xgb\n",
            bad=(
                "class Trainer:\n    def __init__(self):\n        self.model = xgb.XGBRegressor()\n\n"
                "    def run(self, X, y):\n        self.model.fit(X, y, early_stopping_rounds=5, eval_set=[(X, y)])\n"
            ),
            note="the constructor stands elsewhere",
        ),
        Example(
            given=GIVEN_XGB,
            bad="model = xgb.XGBClassifier(use_label_encoder=False, n_estimators=3).fit(X, y)\np = model.predict(X)",
            good="model = xgb.XGBClassifier(n_estimators=3).fit(X, y)\np = model.predict(X)",
            equal="p",
        ),
        Example(
            given="import xgboost as xgb\n",
            bad="model = xgb.XGBClassifier(max_depth=6, tree_method='gpu_hist', gpu_id=0)",
            good='model = xgb.XGBClassifier(max_depth=6, tree_method="hist", device="cuda:0")',
            targets={"xgboost": ">=2.0"},
        ),
        Example(given="import xgboost as xgb\n", bad="model = xgb.XGBClassifier(tree_method='gpu_hist')"),
        Example(
            given="import xgboost as xgb\n",
            bad="params = {'tree_method': 'gpu_hist', 'max_depth': 3}\nmodel = xgb.train(params, data)",
        ),
        Example(
            given=GIVEN_XGB,
            bad=(
                "model = xgb.train({'objective': 'reg:linear'}, xgb.DMatrix(X, y), 3)\n"
                "p = model.predict(xgb.DMatrix(X))"
            ),
            good=(
                "model = xgb.train({'objective': \"reg:squarederror\"}, xgb.DMatrix(X, y), 3)\n"
                "p = model.predict(xgb.DMatrix(X))"
            ),
            equal="p",
        ),
        Example(
            given=GIVEN_XGB + "data = xgb.DMatrix(X, y)\nmodel = xgb.train({}, data, 5)\n",
            bad="p = model.predict(data, ntree_limit=3)",
            good="p = model.predict(data, iteration_range=(0, 3))",
            equal="len(p)",
            raises="TypeError",
        ),
        Example(
            given=(
                GIVEN_XGB + "data = xgb.DMatrix(X, y)\n"
                "model = xgb.train({}, data, 5, evals=[(data, 'd')], early_stopping_rounds=3, verbose_eval=False)\n"
            ),
            bad="p = model.predict(data, ntree_limit=model.best_ntree_limit)\nn = model.best_ntree_limit",
            good="p = model.predict(data, iteration_range=(0, model.best_iteration + 1))\nn = model.best_iteration + 1",
            equal="len(p), n",
            raises="AttributeError",
            count=2,
        ),
        Example(
            given="import xgboost as xgb\n",
            ok="model = xgb.train(params, data, early_stopping_rounds=5, verbose_eval=10, evals_result={})",
        ),
        Example(given="import lightgbm as lgb\n", ok="lgb.LGBMRegressor().fit(X, y, eval_metric='l1', callbacks=[])"),
        Example(
            given="import lightgbm as lgb\n",
            ok="lgb.train(params, data, early_stopping_rounds=3)",
            targets={"lightgbm": "3.3"},
        ),
        Example(
            given="import xgboost as xgb\n",
            ok="xgb.XGBClassifier(early_stopping_rounds=3, eval_metric='auc', tree_method='hist', device='cuda')",
        ),
        Example(
            given="import catboost\nimport xgboost\n",
            ok="catboost.CatBoostClassifier().fit(X, y, early_stopping_rounds=5, verbose=False)",
        ),
        Example(
            given="import xgboost\nfrom mylib import XGBClassifier\n",
            ok="XGBClassifier(gpu_id=0).fit(X, y, early_stopping_rounds=5)",
        ),
        Example(
            given="import lightgbm\n",
            ok=("if lightgbm.__version__ < '4':\n    lightgbm.train(params, data, early_stopping_rounds=3)\n"),
        ),
        Example(
            given="import xgboost as xgb\nfrom xgboost.dask import DaskXGBClassifier\n",
            ok="DaskXGBClassifier().fit(X, y, early_stopping_rounds=5)",
        ),
    )


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _is_off(node: ast.expr) -> bool:
    """`False`, `0`, `-1`: nothing is printed."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return True
    return isinstance(node, ast.Constant) and not node.value


def _is_made(node: ast.expr, displays: tuple[type[ast.expr], ...], ctx: Context) -> bool:
    """Whether a value is certainly made by a display such as `[…]`, and never None."""
    if isinstance(node, displays):
        return True
    bindings = ctx.reaching.of(node) if isinstance(node, ast.Name) else None
    return bool(bindings) and all(
        b.how == "assign" and not b.path and isinstance(b.value, displays) for b in bindings or ()
    )


def _is_gpu(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value in ("gpu_hist", "gpu_exact")
