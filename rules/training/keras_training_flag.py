from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator

from mlint.rule import (
    KERAS_MODEL,
    Call,
    Context,
    Edit,
    Example,
    Finding,
    Node,
    Rule,
    Safety,
    Store,
    walk,
    walk_statements,
)

GIVEN = "import keras\nfrom keras import layers\nimport tensorflow as tf\n"
_BY_MODE = frozenset(
    f"keras.layers.{name}"
    for name in "Dropout SpatialDropout1D SpatialDropout2D SpatialDropout3D AlphaDropout GaussianDropout GaussianNoise "
    "BatchNormalization".split()
)
_SEQUENTIAL = frozenset({"keras.Sequential", "keras.models.Sequential"})
_APPLYING = frozenset({"apply_gradients", "apply"})
_EVALUATING = re.compile(r"(predict|evaluate|eval|infer|test_step|valid)")
_MEANT = re.compile(r"(?i)mc_|monte|drop|uncertain|bayes|train")


class KerasTrainingFlag(Rule):
    """A Keras model runs in the wrong mode: without `training=True` in training, with it in evaluation.

    ## Why
    Outside of `fit`, a call of a Keras model is inference unless it is told otherwise: dropout does nothing, and batch
    normalization uses its moving averages and does not update them. A loop of one's own that forgets the flag trains
    another model than the one that was designed. In evaluation with the flag, predictions are noisy and depend on the
    batch. `trainable` is read when the model is compiled: set afterwards, it changes nothing until it is compiled
    again.

    ## Fix safety
    Unsafe: the model trains differently, as intended. The flag is added; the other cases are reported only.

    ## References
    - Keras guide "Writing a custom training loop in TensorFlow": `logits = model(x_batch_train, training=True)`.
    - Keras guide "Transfer learning and fine-tuning", "Important note about compile() and trainable".
    """

    code, name = "ML424", "keras-training-flag"
    libraries = ("tensorflow", "keras")
    words = ("GradientTape", "trainable", "training=True")
    safety = Safety.UNSAFE
    triggers = (Call("tensorflow.GradientTape"), Store("trainable"), Node(ast.FunctionDef))

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        if isinstance(node, ast.FunctionDef):
            yield from self._evaluation(node, ctx)
        elif isinstance(node, ast.Attribute):
            yield from self._frozen(node, ctx)
        elif isinstance(node, ast.Call):
            yield from self._tape(node, ctx)

    def _tape(self, node: ast.Call, ctx: Context) -> Iterator[Finding]:
        block = ctx.tree.statement(node)
        if not isinstance(block, ast.With) or "learning_phase" in ctx.source.text:
            return
        function = ctx.tree.function(node)
        around = function.body if function is not None else ctx.tree.module.body
        if not any(
            isinstance(inner, ast.Call) and isinstance(inner.func, ast.Attribute) and inner.func.attr in _APPLYING
            for inner in walk_statements(around)
        ):
            return  # it may be about the input
        for inner in walk_statements(block.body):
            if not isinstance(inner, ast.Call) or not isinstance(inner.func, (ast.Name, ast.Attribute)):
                continue
            if not inner.args or len(inner.args) > 1 or ctx.open_ended(inner):
                continue
            if any(keyword.arg == "training" for keyword in inner.keywords):
                continue
            if not ctx.is_a(inner.func, KERAS_MODEL) or not self._acts_by_mode(inner.func, ctx):
                continue
            yield ctx.finding(
                inner,
                f"`{ctx.short(inner.func)}` trains here as in inference: dropout and batch normalization do not act",
                "give it `training=True`",
                ctx.fix(self._adding(inner, ctx), Safety.UNSAFE, "Add `training=True`"),
            )

    def _adding(self, call: ast.Call, ctx: Context) -> Callable[[], Edit]:
        def build() -> Edit:
            return ctx.edits.add_keyword(call, "training", "True")

        return build

    def _acts_by_mode(self, model: ast.expr, ctx: Context) -> bool:
        """Whether a model certainly has a layer that acts by its mode."""
        definition = ctx.kinds.of(model).definition
        if definition is not None:
            return any(isinstance(inner, ast.Call) and ctx.dotted(inner.func) in _BY_MODE for inner in walk(definition))
        built = ctx.training.constructors(model)
        return bool(built) and all(
            ctx.dotted(call.func) in _SEQUENTIAL
            and any(isinstance(inner, ast.Call) and ctx.dotted(inner.func) in _BY_MODE for inner in walk(call))
            for call in built
        )

    def _frozen(self, node: ast.Attribute, ctx: Context) -> Iterator[Finding]:
        """``layer.trainable = False`` after `compile`, and `fit` without another one."""
        statement = ctx.tree.statement(node)
        loop = ctx.flow.loop(node)
        owner: ast.expr = node.value
        if loop is not None:
            if (
                not isinstance(loop, ast.For)
                or not isinstance(loop.target, ast.Name)
                or not isinstance(owner, ast.Name)
            ):
                return
            if owner.id != loop.target.id:
                return
            statement, owner = loop, loop.iter
        block = ctx.tree.block(statement)
        position = block.index(statement)
        compiled: str | None = None
        for earlier in block[:position]:
            call = earlier.value if isinstance(earlier, ast.Expr) else None
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "compile":
                if ctx.is_a(call.func.value, KERAS_MODEL):
                    compiled = ast.unparse(call.func.value)
        if compiled is None or not self._belongs(owner, compiled, ctx):
            return
        for later in block[position + 1 :]:
            for inner in walk(later):
                if isinstance(inner, ast.Attribute) and inner.attr == "compile":
                    return
                if isinstance(inner, ast.Call) and isinstance(inner.func, ast.Attribute):
                    if inner.func.attr in ("fit", "train_on_batch") and ast.unparse(inner.func.value) == compiled:
                        yield ctx.finding(
                            node,
                            f"`{compiled}` has been compiled before: `trainable` has no effect on its next `fit`",
                            f"call `{compiled}.compile(…)` again",
                        )
                        return

    def _belongs(self, owner: ast.expr, model: str, ctx: Context) -> bool:
        """Whether a layer is a part of a model, by how it is written."""
        current = owner
        while isinstance(current, (ast.Attribute, ast.Subscript)):
            current = current.value
        if ast.unparse(owner) == model or (current is not owner and ast.unparse(current) == model):
            return True
        if isinstance(owner, ast.Name):
            for scope_owner in ctx.reaching.at(ctx.tree.statement(owner), model) if model.isidentifier() else ():
                value = scope_owner.value
                if isinstance(value, ast.Call) and ctx.dotted(value.func) in _SEQUENTIAL:
                    return any(isinstance(part, ast.Name) and part.id == owner.id for part in walk(value))
        return False

    def _evaluation(self, function: ast.FunctionDef, ctx: Context) -> Iterator[Finding]:
        if not _EVALUATING.match(function.name.lstrip("_")) or _MEANT.search(function.name):
            return
        for inner in walk_statements(function.body):
            if not isinstance(inner, ast.Call) or not isinstance(inner.func, (ast.Name, ast.Attribute)):
                continue
            flag = next((keyword.value for keyword in inner.keywords if keyword.arg == "training"), None)
            if isinstance(flag, ast.Constant) and flag.value is True and ctx.is_a(inner.func, KERAS_MODEL):
                if not ctx.flow.loop(inner) or "range" not in ctx.source.segment(function):
                    yield ctx.finding(
                        inner,
                        f"`{function.name}` runs `{ctx.short(inner.func)}` in training mode: dropout makes it noisy",
                        "give it `training=False`",
                    )

    examples = (
        Example(
            given=GIVEN,
            ok="""
model = keras.Sequential([layers.Dense(3), layers.Dropout(0.2)])
plain = keras.Sequential([layers.Dense(3)])
for x, y in data:
    with tf.GradientTape() as tape:
        loss = loss_fn(y, model(x, training=True)) + loss_fn(y, plain(x))
    optimizer.apply_gradients(zip(tape.gradient(loss, model.trainable_weights), model.trainable_weights))

def saliency(x):
    with tf.GradientTape() as tape:
        tape.watch(x)
        score = model(x)
    return tape.gradient(score, x)
""",
            note="a model without such layers; the gradient of the input",
        ),
        Example(
            given=GIVEN,
            ok="""
model = keras.Sequential([layers.Dense(3), layers.Dropout(0.2)])
model.trainable = False
model.compile("adam", "mse")
model.fit(x, y)
model.layers[0].trainable = True
model.compile("adam", "mse")
model.fit(x, y)

def predict_mc_dropout(x):
    return model(x, training=True)

def predict(x):
    return model(x, training=False)
""",
        ),
        Example(
            given=GIVEN,
            bad="""
model = keras.Sequential([layers.Dense(8), layers.BatchNormalization(), layers.Dense(1)])

@tf.function
def train_step(x, y):
    with tf.GradientTape() as tape:
        loss = loss_fn(y, model(x))
    grads = tape.gradient(loss, model.trainable_weights)
    optimizer.apply_gradients(zip(grads, model.trainable_weights))
""",
            good="""
model = keras.Sequential([layers.Dense(8), layers.BatchNormalization(), layers.Dense(1)])

@tf.function
def train_step(x, y):
    with tf.GradientTape() as tape:
        loss = loss_fn(y, model(x, training=True))
    grads = tape.gradient(loss, model.trainable_weights)
    optimizer.apply_gradients(zip(grads, model.trainable_weights))
""",
        ),
        Example(
            given=GIVEN,
            bad="""
class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.drop = layers.Dropout(0.5)
        self.out = layers.Dense(1)

    def call(self, x, training=None):
        return self.out(self.drop(x, training=training))

def fit(data, optimizer):
    net = Net()
    for x, y in data:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((net(x) - y) ** 2)
        optimizer.apply_gradients(zip(tape.gradient(loss, net.trainable_variables), net.trainable_variables))
""",
            good="""
class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.drop = layers.Dropout(0.5)
        self.out = layers.Dense(1)

    def call(self, x, training=None):
        return self.out(self.drop(x, training=training))

def fit(data, optimizer):
    net = Net()
    for x, y in data:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((net(x, training=True) - y) ** 2)
        optimizer.apply_gradients(zip(tape.gradient(loss, net.trainable_variables), net.trainable_variables))
""",
        ),
        Example(
            given=GIVEN,
            bad="""
base = keras.Sequential([layers.Dense(8)])
model = keras.Sequential([base, layers.Dense(1)])
model.compile("adam", "mse")
model.fit(x, y)
base.trainable = False
model.fit(x, y)
""",
        ),
        Example(
            given=GIVEN,
            bad="""
model = keras.Sequential([layers.Dense(8)])
model.compile("adam", "mse")
for layer in model.layers[:-1]:
    layer.trainable = False
model.fit(x, y)
""",
        ),
        Example(
            given=GIVEN,
            bad="""
model = keras.Sequential([layers.Dense(3), layers.Dropout(0.2)])

def predict(x):
    return model(x, training=True)
""",
        ),
    )
