from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import NamedTuple

from mlint.rule import KERAS_MODEL, Call, Context, Edit, Example, Finding, Fix, Method, Rule, Safety

GIVEN = "import keras\nfrom keras import layers\nimport tensorflow as tf\n"
_LOSSES = {
    "categorical_crossentropy": "CategoricalCrossentropy",
    "sparse_categorical_crossentropy": "SparseCategoricalCrossentropy",
    "binary_crossentropy": "BinaryCrossentropy",
}
_CLASSES = {f"keras.losses.{name}": name for name in _LOSSES.values()}
_FUNCTIONS = {f"keras.losses.{name}": _LOSSES[name] for name in _LOSSES}
_SEQUENTIAL = frozenset({"keras.Sequential", "keras.models.Sequential"})
_FUNCTIONAL = frozenset({"keras.Model", "keras.models.Model"})
_LINEAR = frozenset(f"keras.layers.{name}" for name in "Dense Conv1D Conv2D Conv3D".split())
_ACTIVATIONS = {
    "keras.activations.softmax": "softmax",
    "tensorflow.nn.softmax": "softmax",
    "keras.activations.sigmoid": "sigmoid",
    "tensorflow.nn.sigmoid": "sigmoid",
    "tensorflow.sigmoid": "sigmoid",
    "tensorflow.math.sigmoid": "sigmoid",
    "keras.activations.linear": "none",
}
_RAW = {
    "tensorflow.nn.softmax_cross_entropy_with_logits": "softmax",
    "tensorflow.nn.sparse_softmax_cross_entropy_with_logits": "softmax",
    "tensorflow.nn.sigmoid_cross_entropy_with_logits": "sigmoid",
}


class Loss(NamedTuple):
    """A cross-entropy of Keras: its class, whether it expects logits, and its call if it is one."""

    name: str
    from_logits: bool
    call: ast.Call | None


class LossLogitsMismatch(Rule):
    """The loss expects logits and the model gives probabilities, or the other way round.

    ## Why
    With `from_logits=True` the loss applies softmax or the sigmoid itself. A model that ends with one gives it numbers
    between 0 and 1, whose softmax is nearly uniform: the gradients are small where the model is most wrong. Without
    the flag the loss takes the outputs for probabilities; those of a last layer without activation are clipped to
    [0, 1] and normalized by their sum, which is no loss of anything. On TensorFlow Keras notices some of these
    cases and warns.

    ## Fix safety
    Unsafe: the model trains differently. The flag is set to what the model gives.

    ## Known limits
    Models of which the last layer is seen: a `Sequential`, or `Model(inputs, outputs)` of one output, in the same file.

    ## References
    - Keras documentation, `keras.losses.SparseCategoricalCrossentropy`, the argument `from_logits`.
    """

    code, name = "ML407", "loss-logits-mismatch"
    libraries = ("tensorflow", "keras")
    words = ("crossentropy", "Crossentropy", "_with_logits")
    safety = Safety.UNSAFE
    triggers = (Method("compile", of=KERAS_MODEL), Call(*_RAW))

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.Call)
        if ctx.dotted(node.func) in _RAW:
            yield from self._raw(node, ctx)
            return
        assert isinstance(node.func, ast.Attribute)
        given = ctx.argument(node, "loss", 1)
        loss = None if given is None else self._loss(given, ctx)
        if given is None or loss is None:
            return
        ends = {self._end(built, ctx) for built in ctx.training.constructors(node.func.value)}
        end = ends.pop() if len(ends) == 1 else None
        if end in ("softmax", "sigmoid") and loss.from_logits:
            yield ctx.finding(
                given,
                f"expects logits, and the model ends with {end}: it is given probabilities",
                "set `from_logits=False`",
                self._flag(loss, given, "False", ctx),
            )
        elif end == "none" and not loss.from_logits:
            yield ctx.finding(
                given,
                "expects probabilities, and the last layer has no activation: it is given logits",
                f"use `{loss.name}(from_logits=True)`",
                self._flag(loss, given, "True", ctx),
            )

    def _loss(self, node: ast.expr, ctx: Context) -> Loss | None:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            name = _LOSSES.get(node.value)
            return None if name is None else Loss(name, False, None)
        if isinstance(node, ast.Name) and ctx.dotted(node) is None:
            bindings = ctx.reaching.of(node) or []
            one = bindings[0] if len(bindings) == 1 else None
            if one is None or one.how != "assign" or one.path or one.value is None:
                return None
            found = self._loss(one.value, ctx)
            return found if found is None or found.call is not None else found._replace(call=None)
        if isinstance(node, ast.Call):
            name = _CLASSES.get(ctx.dotted(node.func) or "")
            if name is None or ctx.open_ended(node):
                return None
            flag = ctx.argument(node, "from_logits", 0)
            if flag is not None and not isinstance(flag, ast.Constant):
                return None
            return Loss(name, flag is not None and bool(flag.value), node)
        name = _FUNCTIONS.get(ctx.dotted(node) or "")
        return None if name is None else Loss(name, False, None)

    def _end(self, built: ast.Call, ctx: Context) -> str | None:
        """What a model ends with: softmax, sigmoid or none; None where it is not seen."""
        dotted = ctx.dotted(built.func)
        if dotted in _SEQUENTIAL:
            added = self._added(built, ctx)
            if added is not None:
                return self._activation(added, ctx)
            layers = ctx.argument(built, "layers", 0)
            if isinstance(layers, (ast.List, ast.Tuple)) and layers.elts and isinstance(layers.elts[-1], ast.Call):
                return self._activation(layers.elts[-1], ctx)
            return None
        if dotted not in _FUNCTIONAL:
            return None
        output = ctx.argument(built, "outputs", 1)
        if isinstance(output, ast.Name):
            bindings = ctx.reaching.of(output) or []
            one = bindings[0] if len(bindings) == 1 else None
            output = one.value if one is not None and one.how == "assign" and not one.path else None
        if isinstance(output, ast.Call) and isinstance(output.func, ast.Call):
            return self._activation(output.func, ctx)
        return None

    def _added(self, built: ast.Call, ctx: Context) -> ast.Call | None:
        """The last layer that is added to a Sequential by `add`."""
        statement = ctx.tree.statement(built)
        if not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
            return None
        name = ast.unparse(statement.targets[0])
        last: ast.Call | None = None
        for later in ctx.tree.following(statement):
            call = later.value if isinstance(later, ast.Expr) else None
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute):
                if call.func.attr == "add" and ast.unparse(call.func.value) == name and call.args:
                    last = call.args[0] if isinstance(call.args[0], ast.Call) else None
        return last

    def _activation(self, layer: ast.Call, ctx: Context) -> str | None:
        dotted = ctx.dotted(layer.func)
        if dotted == "keras.layers.Softmax":
            return "softmax"
        if dotted == "keras.layers.Activation":
            given = ctx.argument(layer, "activation", 0)
        elif dotted in _LINEAR:
            if ctx.open_ended(layer):
                return None
            given = ctx.argument(layer, "activation", 1 if dotted == "keras.layers.Dense" else None)
            if given is None:
                return "none" if dotted == "keras.layers.Dense" else None
        else:
            return None
        if isinstance(given, ast.Constant):
            if given.value in ("softmax", "sigmoid"):
                return str(given.value)
            return "none" if given.value in (None, "linear") else None
        return None if given is None else _ACTIVATIONS.get(ctx.dotted(given) or "")

    def _flag(self, loss: Loss, given: ast.expr, value: str, ctx: Context) -> Fix | None:
        call = loss.call
        if call is not None:
            if call.args:
                return None

            def put() -> Edit:
                return ctx.edits.put_keyword(call, "from_logits", value)

            return ctx.fix(put, Safety.UNSAFE, f"Set `from_logits={value}`")
        if isinstance(given, ast.Name):
            return None
        name = loss.name

        def replace() -> list[Edit]:
            text, imports = ctx.edits.name(f"keras.losses.{name}", given)
            return [ctx.edits.replace(given, f"{text}(from_logits={value})"), *imports]

        return ctx.fix(replace, Safety.UNSAFE, f"Use `{name}(from_logits={value})`")

    def _raw(self, node: ast.Call, ctx: Context) -> Iterator[Finding]:
        wrong = _RAW[ctx.dotted(node.func) or ""]
        logits = ctx.argument(node, "logits", 1)
        made: ast.expr | None = logits
        if isinstance(logits, ast.Name):
            bindings = ctx.reaching.of(logits) or []
            one = bindings[0] if len(bindings) == 1 else None
            made = one.value if one is not None and one.how == "assign" and not one.path else None
        if logits is None or not isinstance(made, ast.Call) or not made.args:
            return
        if _ACTIVATIONS.get(ctx.dotted(made.func) or "") != wrong:
            return
        inner, fix = made.args[0], None
        if made is logits:

            def build() -> Edit:
                return ctx.edits.replace(logits, "$x", x=inner)

            fix = ctx.fix(build, Safety.UNSAFE, "Give it the logits")
        yield ctx.finding(logits, f"the loss applies {wrong} itself, and is given probabilities", "give it logits", fix)

    examples = (
        Example(
            given=GIVEN,
            ok="""
a = keras.Sequential([layers.Dense(8), layers.Dense(3, activation="softmax")])
a.compile(optimizer="adam", loss="sparse_categorical_crossentropy")
b = keras.Sequential([layers.Dense(3)])
b.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
c = keras.Sequential([layers.Dense(3), layers.Softmax()])
c.compile("adam", "categorical_crossentropy")
d = keras.Sequential([layers.Dense(3), layers.Activation("softmax")])
d.compile("adam", "categorical_crossentropy")
e = keras.Sequential([layers.Dense(1)])
e.compile("adam", "mse")
f = keras.Sequential([layers.Dense(1), layers.Lambda(tf.nn.sigmoid)])
f.compile("adam", "binary_crossentropy")
""",
        ),
        Example(
            given=GIVEN,
            ok="""
m = keras.Sequential()
m.add(layers.Dense(8))
m.add(layers.Dense(1, activation="sigmoid"))
m.compile(loss="binary_crossentropy", optimizer="adam")
loss = tf.nn.softmax_cross_entropy_with_logits(labels=tf.nn.softmax(teacher), logits=student)
""",
        ),
        Example(
            given=GIVEN,
            bad="""
model = keras.Sequential([layers.Dense(8), layers.Dense(3, activation="softmax")])
model.compile(optimizer="adam", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
""",
            good="""
model = keras.Sequential([layers.Dense(8), layers.Dense(3, activation="softmax")])
model.compile(optimizer="adam", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=False))
""",
        ),
        Example(
            given="import tensorflow as tf\nfrom tensorflow import keras\n",
            bad="""
inputs = keras.Input((3,))
outputs = keras.layers.Dense(1)(inputs)
model = keras.Model(inputs, outputs)
model.compile("adam", "binary_crossentropy")  # two classes
""",
            good="""
inputs = keras.Input((3,))
outputs = keras.layers.Dense(1)(inputs)
model = keras.Model(inputs, outputs)
model.compile("adam", keras.losses.BinaryCrossentropy(from_logits=True))  # two classes
""",
        ),
        Example(
            given=GIVEN,
            bad="""
model = keras.Sequential()
model.add(layers.Dense(8, activation="relu"))
model.add(layers.Dense(3))
loss = keras.losses.CategoricalCrossentropy()
model.compile("adam", loss)
""",
            good="""
model = keras.Sequential()
model.add(layers.Dense(8, activation="relu"))
model.add(layers.Dense(3))
loss = keras.losses.CategoricalCrossentropy(from_logits=True)
model.compile("adam", loss)
""",
        ),
        Example(
            given="import tensorflow as tf\n",
            bad="loss = tf.nn.sigmoid_cross_entropy_with_logits(labels=y, logits=tf.sigmoid(x))\n",
            good="loss = tf.nn.sigmoid_cross_entropy_with_logits(labels=y, logits=x)\n",
        ),
    )
