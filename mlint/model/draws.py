"""Chance in single calls: by which global random number generator one draws, which it seeds, and whether it trains."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from mlint.model.libraries import ROOTS

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

ALL_GENERATORS = frozenset({TORCH, TENSORFLOW, NUMPY, PYTHON, CUPY})
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
    "keras.utils.set_random_seed": ALL_GENERATORS,
    "cupy.random.seed": frozenset({CUPY}),
    **dict.fromkeys(
        "transformers.set_seed transformers.trainer_utils.set_seed transformers.enable_full_determinism "
        "transformers.trainer_utils.enable_full_determinism".split(),
        ALL_GENERATORS,
    ),
    **dict.fromkeys(
        "accelerate.utils.set_seed accelerate.utils.random.set_seed lightning.pytorch.seed_everything "
        "lightning.seed_everything lightning.fabric.seed_everything lightning.pytorch.utilities.seed.seed_everything "
        "ignite.utils.manual_seed monai.utils.set_determinism stable_baselines3.common.utils.set_random_seed "
        "torch_geometric.seed_everything torch_geometric.seed.seed_everything fastai.torch_core.set_seed "
        "mmengine.runner.set_random_seed detectron2.engine.default_setup detectron2.utils.env.seed_all_rng "
        "dgl.seed dgl.random.seed".split(),
        ALL_GENERATORS,
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

_FITTING = frozenset({"fit", "fit_generator", "train_on_batch", "partial_fit", "fit_predict", "apply_gradients"})
_TRAINING = frozenset(
    "xgboost.train xgboost.cv lightgbm.train lightgbm.cv optax.apply_updates sklearn.model_selection.cross_val_score "
    "sklearn.model_selection.cross_validate sklearn.model_selection.cross_val_predict".split()
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


NOTHING = Use()


class Draws:
    """What the single calls of one file do with chance."""

    def __init__(self, model: FileModel) -> None:
        self.model = model

    def of(self, call: ast.Call) -> Use:
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
                return Use(seeds=ALL_GENERATORS, trains=True)
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
                return NOTHING if _has(call, "random_state") else Use(draws=frozenset({NUMPY}))
            if func.attr == "fit" and self._made_by(func.value).partition(".")[0] == "sentence_transformers":
                return Use(seeds=ALL_GENERATORS, trains=True)  # by a trainer of its own
            if func.attr in _FITTING and self._made_by(func.value).startswith("ray."):
                return Use(trains=True, unknown=True)  # in workers, which draw from generators of their own
            if func.attr in _FITTING and not kind.is_a("sklearn.base.TransformerMixin"):
                return Use(trains=True, unknown=self._may_seed(call, dotted))
            if kind.name in ("torch.Generator", "numpy.random.RandomState", "random.Random"):
                return NOTHING
        definition = model.kinds.local_class(func)
        if definition is not None and any(map(_is_framework, model.kinds.bases(definition))):
            return Use(seeds=ALL_GENERATORS, trains=True)
        return Use(unknown=True) if self._may_seed(call, dotted) else NOTHING

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


def _has(call: ast.Call, name: str) -> bool:
    """Whether a keyword is given, or could be in ``**kwargs``."""
    return any(k.arg is None or (k.arg == name and not _is_none(k.value)) for k in call.keywords)


def _is_none(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _word(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
