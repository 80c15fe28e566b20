"""Chance: which calls draw from a global random number generator, which seed it, and which train a model.

`Randomness` asks this of functions and of the file as a program: what a function does is what it does itself plus what
the functions that it calls, or hands to a launcher, do, in the file and in first-party modules.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from mlint.model.libraries import ROOTS
from mlint.model.tree import FUNCTIONS, FunctionNode, walk_scope

if TYPE_CHECKING:
    from mlint.model.file import FileModel

TORCH = "torch"
TENSORFLOW = "tensorflow"
NUMPY = "numpy"
PYTHON = "random"
CUPY = "cupy"
CUDA = "cuda"
GENERATORS = (TORCH, CUDA, TENSORFLOW, NUMPY, PYTHON, CUPY)
"""The global generators; Keras draws by that of TensorFlow or, from version 3, by Python's.

PyTorch has one for the CPU and one for each GPU. `torch.manual_seed` seeds them all, `torch.cuda.manual_seed` does not
reach that of the CPU, by which weights are initialised and loaders are shuffled.
"""

_ALL = frozenset({TORCH, TENSORFLOW, NUMPY, PYTHON, CUPY})
_CPU = frozenset({TORCH, NUMPY, PYTHON})

SEEDING: dict[str, frozenset[str]] = {
    **dict.fromkeys(
        "torch.manual_seed torch.random.manual_seed torch.seed torch.random.seed torch.set_rng_state "
        "torch.random.set_rng_state torch.random.fork_rng".split(),
        frozenset({TORCH}),
    ),
    **dict.fromkeys(
        "torch.cuda.manual_seed torch.cuda.manual_seed_all torch.cuda.seed torch.cuda.seed_all".split(),
        frozenset({CUDA}),
    ),
    **dict.fromkeys("numpy.random.seed numpy.random.set_state".split(), frozenset({NUMPY})),
    **dict.fromkeys("random.seed random.setstate".split(), frozenset({PYTHON})),
    **dict.fromkeys(
        "tensorflow.random.set_seed tensorflow.set_random_seed tensorflow.random.set_random_seed "
        "tensorflow.compat.v1.set_random_seed tensorflow.compat.v1.random.set_random_seed".split(),
        frozenset({TENSORFLOW}),
    ),
    "keras.utils.set_random_seed": _ALL,
    "cupy.random.seed": frozenset({CUPY}),
    **dict.fromkeys(
        "transformers.set_seed transformers.trainer_utils.set_seed transformers.enable_full_determinism "
        "transformers.trainer_utils.enable_full_determinism".split(),
        _ALL,
    ),
    **dict.fromkeys(
        "accelerate.utils.set_seed accelerate.utils.random.set_seed lightning.pytorch.seed_everything "
        "lightning.seed_everything lightning.fabric.seed_everything lightning.pytorch.utilities.seed.seed_everything "
        "ignite.utils.manual_seed monai.utils.set_determinism stable_baselines3.common.utils.set_random_seed "
        "torch_geometric.seed_everything torch_geometric.seed.seed_everything fastai.torch_core.set_seed "
        "mmengine.runner.set_random_seed detectron2.engine.default_setup detectron2.utils.env.seed_all_rng "
        "dgl.seed dgl.random.seed".split(),
        _ALL,
    ),
}
"""Function → the generators that it seeds. Reading them from outside (`set_state`) counts: somebody took care."""

# Frameworks whose objects seed everything before they train, by a seed that is fixed unless told otherwise.
_SEEDING_TRAINERS = frozenset({"transformers", "trl", "sentence_transformers"})
_SEEDING_PREFIXES = ("stable_baselines3.", "sb3_contrib.", "mmengine.runner.")

_NUMPY_DRAWS = frozenset(
    "beta binomial bytes chisquare choice dirichlet exponential f gamma geometric gumbel hypergeometric laplace "
    "logistic lognormal logseries multinomial multivariate_normal negative_binomial noncentral_chisquare "
    "noncentral_f normal pareto permutation poisson power rand randint randn random random_integers random_sample "
    "ranf rayleigh sample shuffle standard_cauchy standard_exponential standard_gamma standard_normal standard_t "
    "triangular uniform vonmises wald weibull zipf".split()
)
_PYTHON_DRAWS = frozenset(
    "betavariate binomialvariate choice choices expovariate gammavariate gauss getrandbits lognormvariate "
    "normalvariate paretovariate randbytes randint random randrange sample shuffle triangular uniform "
    "vonmisesvariate weibullvariate".split()
)
_TORCH_DRAWS = frozenset(
    "rand randn randint randperm rand_like randn_like randint_like normal bernoulli multinomial poisson".split()
)
_TORCH_LAYERS = frozenset(
    "Linear LazyLinear Bilinear Conv1d Conv2d Conv3d ConvTranspose1d ConvTranspose2d ConvTranspose3d LazyConv1d "
    "LazyConv2d LazyConv3d Embedding EmbeddingBag RNN LSTM GRU RNNCell LSTMCell GRUCell MultiheadAttention "
    "Transformer TransformerEncoderLayer TransformerDecoderLayer".split()
)
_TORCH_INIT = frozenset(
    "normal_ uniform_ trunc_normal_ xavier_normal_ xavier_uniform_ kaiming_normal_ kaiming_uniform_ orthogonal_ "
    "sparse_ xavier_normal xavier_uniform kaiming_normal kaiming_uniform orthogonal".split()
)
_TENSOR_METHODS = frozenset(
    "normal_ uniform_ random_ bernoulli_ exponential_ cauchy_ log_normal_ geometric_ multinomial bernoulli".split()
)
_KERAS_LAYERS = frozenset(
    "Dense EinsumDense Embedding Conv1D Conv2D Conv3D Conv1DTranspose Conv2DTranspose Conv3DTranspose SeparableConv1D "
    "SeparableConv2D DepthwiseConv1D DepthwiseConv2D LSTM GRU SimpleRNN LSTMCell GRUCell SimpleRNNCell ConvLSTM2D "
    "MultiHeadAttention".split()
)
_TF_DRAWS = frozenset(
    "normal uniform truncated_normal gamma poisson categorical shuffle log_uniform_candidate_sampler".split()
)
_SKLEARN_DRAWS = (
    "sklearn.datasets.make_", "sklearn.utils.shuffle", "sklearn.utils.resample",
    "sklearn.inspection.permutation_importance",
)  # fmt: skip

_DEEPEST = 8

# Calls that run a function they are given.
_LAUNCHERS = frozenset(
    "torch.multiprocessing.spawn torch.multiprocessing.start_processes multiprocessing.Process absl.app.run "
    "tensorflow.compat.v1.app.run tensorflow.app.run fire.Fire accelerate.notebook_launcher accelerate.debug_launcher "
    "torch.multiprocessing.Process asyncio.run ray.tune.run ray.tune.Tuner wandb.agent typer.run "
    "tune.run detectron2.engine.launch".split()
)
_FITTING = frozenset({"fit", "fit_generator", "train_on_batch", "partial_fit", "fit_predict", "apply_gradients"})
_TRAINING = frozenset(
    "xgboost.train xgboost.cv lightgbm.train lightgbm.cv optax.apply_updates sklearn.model_selection.cross_val_score "
    "sklearn.model_selection.cross_validate sklearn.model_selection.cross_val_predict".split()
)

_LIBRARY = (
    r"(?m)^\s*(?:import|from)\s+(?:torch|numpy|pandas|tensorflow|keras|jax|sklearn|datasets|transformers|lightning)\b"
)


class Use:
    """What a piece of code does with chance.

    Args:
        seeds: the generators that it seeds.
        draws: the generators that it draws from.
        trains: whether it trains a model.
        unknown: whether it calls something that may seed, of which nothing more is known.
    """

    __slots__ = ("draws", "seeds", "trains", "unknown")

    def __init__(
        self,
        seeds: frozenset[str] = frozenset(),
        draws: frozenset[str] = frozenset(),
        trains: bool = False,
        unknown: bool = False,
    ) -> None:
        self.seeds = seeds
        self.draws = draws
        self.trains = trains
        self.unknown = unknown

    def __or__(self, other: Use) -> Use:
        return Use(
            self.seeds | other.seeds,
            self.draws | other.draws,
            self.trains or other.trains,
            self.unknown or other.unknown,
        )

    def unseeded(self) -> frozenset[str]:
        """The generators that are drawn from and certainly never seeded."""
        if self.unknown:
            return frozenset()
        seeds = self.seeds | {CUDA} if TORCH in self.seeds else self.seeds
        missing = self.draws - seeds
        return missing - {CUDA} if TORCH in missing else missing


_NOTHING = Use()


class Randomness:
    """Draws and seeds of one file."""

    def __init__(self, model: FileModel) -> None:
        self.model = model
        self._known: dict[ast.AST, Use] = {}

    # The questions that rules ask

    def of(self, function: FunctionNode | ast.Module) -> Use:
        """What a function does, or the file when it is run as a program."""
        if function in self._known:
            return self._known[function]
        self._known[function] = _NOTHING  # recursion adds nothing
        use = _NOTHING
        backward = step = False
        calls = [node for node in walk_scope(function) if isinstance(node, ast.Call)]
        for call in calls:
            use |= self.direct(call)
            if isinstance(call.func, ast.Attribute):
                backward = backward or call.func.attr in ("backward", "manual_backward")
                step = step or call.func.attr == "step"
        for call in calls:
            if use.unknown or use.seeds >= _ALL:
                break  # whatever the functions that it calls draw is seeded
            use |= self.of_call(call)
        if backward and step:
            use |= Use(trains=True)
        if isinstance(function, ast.Module):
            use |= Use(seeds=self.imported_seeds())
        self._known[function] = use
        return use

    def imported_seeds(self) -> frozenset[str]:
        """What the top level of the first-party modules that the file imports seeds (`import config`)."""
        model = self.model
        found: set[str] = set()
        if model.project is None:
            return frozenset()
        seen: set[str] = set()
        for bindings in model.names.bindings(model.tree.module).values():
            for binding in bindings:
                if binding.how not in ("import", "star") or binding.imported is None:
                    continue
                if binding.imported.partition(".")[0] in (*ROOTS, "random", "logging"):
                    continue
                for name in (binding.imported, binding.imported.rpartition(".")[0]):
                    path = model.project.locate(name, model.source.path) if name.strip(".") else None
                    if path is not None and path not in seen:
                        seen.add(path)
                        if not model.project.mentions(path, "seed"):
                            continue
                        other = model.project.model(path)
                        if other is not None:
                            model.depends_on(other)
                            found |= other.randomness.at_import()
        return frozenset(found)

    def at_import(self) -> frozenset[str]:
        """The generators that the plain statements at the top level of the file seed."""
        found: set[str] = set()
        for statement in self.model.module.body:
            if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
                found |= SEEDING.get(self.model.names.dotted(statement.value.func) or "", frozenset())
        return frozenset(found)

    def of_call(self, call: ast.Call) -> Use:
        """What one call does, the functions that it runs included."""
        use = self.direct(call)
        for model, function in self.run_by(call):
            use |= self._told_by(model, function)
        return use

    def _told_by(self, model: FileModel, function: FunctionNode) -> Use:
        """What a function does. Python's `random` in a file without any such library picks ports and waits at random:
        no result depends on it.
        """
        use = model.randomness.of(function)
        if model is self.model or PYTHON not in use.draws or re.search(_LIBRARY, model.source.text) is not None:
            return use
        return Use(use.seeds, use.draws - {PYTHON}, use.trains, use.unknown)

    def run_by(self, call: ast.Call) -> list[tuple[FileModel, FunctionNode]]:
        """The known functions that a call runs: its callee, and what it hands to a launcher."""
        callee = self.model.effects.callee(call)
        found = [] if callee is None else [callee]
        if self.model.names.dotted(call.func) in _LAUNCHERS:
            values = [*call.args, *(keyword.value for keyword in call.keywords)]
            for value in values:
                function = self.model.kinds.local_function(value)
                if function is not None:
                    found.append((self.model, function))
        return found

    def seeded(self, generator: str, node: ast.AST) -> bool:
        """Whether the program, or a function around ``node``, seeds a generator, as far as can be seen (or may do)."""
        tree = self.model.tree
        for scope in (tree.module, *tree.functions(node)):
            use = self.of(scope)
            if use.unknown or generator in use.seeds:
                return True
        owner = tree.class_of(node)
        if owner is not None:
            for statement in owner.body:
                if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    use = self.of(statement)
                    if use.unknown or generator in use.seeds:
                        return True
        return False

    def first_draws(self, generators: frozenset[str]) -> list[tuple[str, ast.Call]]:
        """For each generator, the first call in this file that draws from it when the file is run as a program."""
        found: dict[str, ast.Call] = {}
        self._collect(self.model.tree.module, generators, found, set())
        return [(generator, found[generator]) for generator in GENERATORS if generator in found]

    def origin(self, generator: str, call: ast.Call, depth: int = 0) -> tuple[FileModel, ast.Call]:
        """Where a call draws from a generator: the call itself, or one in the functions that it runs."""
        if generator not in self.direct(call).draws and depth < _DEEPEST:
            for model, function in self.run_by(call):
                for inner in _calls(function):
                    if generator in model.randomness.of_call(inner).draws:
                        self.model.depends_on(model)
                        return model.randomness.origin(generator, inner, depth + 1)
        return self.model, call

    def seeders(self, generators: frozenset[str]) -> Iterator[tuple[str, FunctionNode]]:
        """The project's own functions that seed some generators, as (dotted name, function).

        A function of this file has a name without a dot. Looked for are those that are named after a seed, here and in
        the files of the project that this one imports, and that take one number at most.
        """
        for statement in self.model.module.body:
            if isinstance(statement, FUNCTIONS) and self._is_seeder(statement, generators):
                yield statement.name, statement
        project = self.model.project
        if project is None:
            return
        for binding in list(self.model.names.imports()):
            name = binding.imported or ""
            if not self.model.callees.is_first_party(name):
                continue
            for module in (name, name.rpartition(".")[0]):
                path = project.locate(module, self.model.source.path) if module.strip(".") else None
                if path is None or not project.mentions(path, "seed"):
                    continue
                other = project.model(path)
                if other is None:
                    continue
                self.model.depends_on(other)
                for statement in other.module.body:
                    if isinstance(statement, FUNCTIONS) and other.randomness._is_seeder(statement, generators):
                        yield f"{module}.{statement.name}", statement
                break

    def _is_seeder(self, function: FunctionNode, generators: frozenset[str]) -> bool:
        arguments = function.args
        required = len(arguments.posonlyargs) + len(arguments.args) - len(arguments.defaults)
        if "seed" not in function.name.lower() or required > 1 or function.decorator_list:
            return False
        if any(default is None for default in arguments.kw_defaults) or isinstance(function, ast.AsyncFunctionDef):
            return False
        use = self.of(function)
        seeds = use.seeds | {CUDA} if TORCH in use.seeds else use.seeds
        return not use.unknown and not use.draws and not use.trains and generators <= seeds

    def _collect(
        self, scope: ast.AST, generators: frozenset[str], found: dict[str, ast.Call], seen: set[ast.AST]
    ) -> None:
        if scope in seen:
            return
        seen.add(scope)
        for call in _calls(scope):
            for generator in self.direct(call).draws & generators:
                found.setdefault(generator, call)
            for model, function in self.run_by(call):
                if model is self.model:
                    self._collect(function, generators, found, seen)
                else:
                    for generator in self._told_by(model, function).draws & generators:
                        found.setdefault(generator, call)
            if len(found) == len(generators):
                return

    # Single calls

    def direct(self, call: ast.Call) -> Use:
        """What a call does by itself."""
        model = self.model
        func = call.func
        dotted = model.names.dotted(func)
        if dotted is not None:
            seeds = SEEDING.get(dotted)
            if seeds is not None:
                return Use(seeds=seeds)
            if dotted in _TRAINING:
                return Use(trains=True)
            if _is_framework(dotted):
                return Use(seeds=_ALL, trains=True)
            drawn = self._drawn(dotted, call)
            if drawn is not None:
                return Use(draws=frozenset({drawn}))
        elif isinstance(func, ast.Attribute):
            kind = model.kinds.of(func.value)
            if func.attr in _TENSOR_METHODS and kind.is_a("torch.Tensor") and not _has(call, "generator"):
                return Use(draws=frozenset({TORCH}))
            if func.attr == "shuffle" and kind.is_a("tensorflow.data.Dataset") and not _has(call, "seed"):
                return Use(draws=frozenset({TENSORFLOW}))
            if func.attr == "sample" and kind.is_a("pandas.DataFrame", "pandas.Series"):
                return _NOTHING if _has(call, "random_state") else Use(draws=frozenset({NUMPY}))
            if func.attr == "fit" and self._made_by(func.value).partition(".")[0] == "sentence_transformers":
                return Use(seeds=_ALL, trains=True)  # by a trainer of its own
            if func.attr in _FITTING and self._made_by(func.value).startswith("ray."):
                return Use(trains=True, unknown=True)  # in workers, which draw from generators of their own
            if func.attr in _FITTING and not kind.is_a("sklearn.base.TransformerMixin"):
                return Use(trains=True, unknown=self._may_seed(call, dotted))
            if kind.name in ("torch.Generator", "numpy.random.RandomState", "random.Random"):
                return _NOTHING
        definition = model.kinds.local_class(func)
        if definition is not None and any(map(_is_framework, model.kinds.bases(definition))):
            return Use(seeds=_ALL, trains=True)
        return Use(unknown=True) if self._may_seed(call, dotted) else _NOTHING

    def _made_by(self, node: ast.expr) -> str:
        """The dotted name of the one call whose result a name holds; empty where it is not known."""
        if isinstance(node, ast.Call):
            return self.model.names.dotted(node.func) or ""
        bindings = self.model.reaching.of(node) if isinstance(node, ast.Name) else None
        made = {
            self.model.names.dotted(b.value.func) if isinstance(b.value, ast.Call) and not b.path else None
            for b in bindings or ()
        }
        return (made.pop() or "") if len(made) == 1 else ""

    def _may_seed(self, call: ast.Call, dotted: str | None) -> bool:
        """Whether a call of an unknown function is named after a seed, or is given one."""
        if dotted is not None and ("." not in dotted or dotted.partition(".")[0] in (*ROOTS, "random", "logging")):
            return False
        func = call.func
        word = func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else ""
        if word == "add_argument":
            return False
        named = (
            "seed" in word.lower()
            or "determinis" in word.lower()
            or any("seed" in (keyword.arg or "").lower() and not _is_none(keyword.value) for keyword in call.keywords)
            or any("seed" in _word(argument).lower() for argument in call.args)
        )
        return named and self.model.effects.callee(call) is None

    def _drawn(self, dotted: str, call: ast.Call) -> str | None:
        """The generator that a library's function draws from; None for none."""
        root, _, rest = dotted.partition(".")
        last = dotted.rpartition(".")[2]
        if root == "numpy":
            return NUMPY if dotted == f"numpy.random.{last}" and last in _NUMPY_DRAWS else None
        if root == "random":
            return PYTHON if rest in _PYTHON_DRAWS else None
        if root == "torch":
            if _has(call, "generator"):
                return None
            if not _torch(dotted, rest, last, call):
                return None
            return CUDA if rest == last and _elsewhere(call) else TORCH
        if root == "torchvision":
            return TORCH if dotted == f"torchvision.models.{last}" and last.islower() else None
        if root in ("keras", "tensorflow"):
            if _has(call, "seed"):
                return None
            if dotted == f"keras.layers.{last}" and last in _KERAS_LAYERS:
                return TENSORFLOW
            return TENSORFLOW if dotted == f"tensorflow.random.{last}" and last in _TF_DRAWS else None
        if root == "sklearn":
            return NUMPY if dotted.startswith(_SKLEARN_DRAWS) and not _has(call, "random_state") else None
        if root == "scipy":
            drawn = dotted.startswith("scipy.stats.") and last == "rvs" and not _has(call, "random_state")
            return NUMPY if drawn else None
        if root == "cupy":
            return CUPY if dotted == f"cupy.random.{last}" and last in _NUMPY_DRAWS else None
        return None


def _is_framework(dotted: str) -> bool:
    """Whether a class seeds everything before it trains."""
    last = dotted.rpartition(".")[2]
    if last.endswith("Trainer"):
        return dotted.partition(".")[0] in _SEEDING_TRAINERS
    return dotted.startswith(_SEEDING_PREFIXES) or last == "LightningCLI"


def _torch(dotted: str, rest: str, last: str, call: ast.Call) -> bool:
    if rest == last:
        return last in _TORCH_DRAWS
    if dotted == f"torch.nn.{last}":
        return last in _TORCH_LAYERS
    if dotted == f"torch.nn.init.{last}":
        return last in _TORCH_INIT
    if dotted == "torch.utils.data.DataLoader":
        return any(
            k.arg == "shuffle" and isinstance(k.value, ast.Constant) and k.value.value is True for k in call.keywords
        )
    if dotted == "torch.utils.data.random_split":
        return len(call.args) < 3
    return dotted in ("torch.utils.data.RandomSampler", "torch.utils.data.WeightedRandomSampler")


def _elsewhere(call: ast.Call) -> bool:
    """Whether a tensor is drawn on a device that may be no CPU."""
    device = next((keyword.value for keyword in call.keywords if keyword.arg == "device"), None)
    return device is not None and not (isinstance(device, ast.Constant) and device.value in (None, "cpu"))


def _calls(scope: ast.AST) -> Iterator[ast.Call]:
    """The calls of a scope in the order in which they run, roughly: arguments before the call itself."""
    found = [node for node in walk_scope(scope) if isinstance(node, ast.Call)]
    yield from sorted(found, key=lambda call: (call.end_lineno or 0, call.end_col_offset or 0))


def _has(call: ast.Call, name: str) -> bool:
    """Whether a keyword is given, or could be in ``**kwargs``."""
    return any(k.arg is None or (k.arg == name and not _is_none(k.value)) for k in call.keywords)


def _is_none(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _word(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
