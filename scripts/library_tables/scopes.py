"""Which names of which distributions the tables cover."""

from __future__ import annotations

from dataclasses import dataclass

from scripts.library_tables.entries import Scope


@dataclass(frozen=True, slots=True)
class Covered:
    """One library of the tables.

    Attributes:
        scope: what of it is read.
        distribution: where its files come from.
        stubs: a distribution of stubs for it, and the version of the stubs for each version of the library with some.
    """

    scope: Scope
    distribution: str
    stubs: tuple[str, dict[str, str]] | None = None


_SKIPPED = {
    "numpy": """core distutils f2py array_api compat dual doc matrixlib random.lib polynomial ctypeslib char chararray
        numarray oldnumeric strings lib.user_array defchararray ma.testutils
        random.get_bit_generator random.set_bit_generator""",
    "scipy": "misc.doccer weave fftpack.helper io.matlab.byteordercodes",
    "pandas": "core io pandas v compat util.version arrays tseries plotting.backend api.extensions api.internals",
    "sklearn": "utils._testing utils.fixes utils.estimator_checks experimental",
    "imblearn": "utils",
    "torch": """ao fx onnx package quantization jit.frontend jit.annotations jit.supported_ops utils.model_dump
        distributed.rpc distributed.elastic distributed.pipelining distributed.pipeline distributed.nn
        distributed.tensor distributed.launcher distributed.autograd distributed.benchmarks distributed.checkpoint
        utils.hipify utils.benchmark utils.bottleneck utils.tensorboard.writer utils.data.datapipes utils.jit utils.viz
        utils.data.graph utils.mobile_optimizer contrib masked monitor for_onnx export.graph_signature nn.intrinsic
        nn.qat nn.quantizable nn.quantized headeronly cuda.jiterator mtia backends.xnnpack futures library sym""",
    "torchvision": "prototype references",
    "lightning": "app store data",
    "accelerate": "commands test_utils",
    "tensorflow": "compat keras raw_ops estimator core lite python tools include mlir tpu xla",
    "keras": "src api legacy dtensor callbacks.experimental",
    "jax": """_src ad ad_util batching mlir pxla partial_eval xla interpreters tools lib extend core collect_profile
        experimental.mosaic experimental.jax2tf experimental.pallas
        experimental.array_api experimental.sparse
        experimental.colocated_python experimental.source_mapper""",
    "transformers": """models cli commands onnx kernels benchmark data.test_generation_utils integrations utils
        quantizers sagemaker distributed""",
    "datasets": "commands packaged_modules utils filesystems tasks formatting parallel",
    "xgboost": "libpath",
    "lightgbm": "libpath",
    "dask": "bytes cli dataframe.dask_expr dataframe.tseries array.cupy_entry_point",
    "distributed": "http dashboard cli shuffle comm protocol",
    "ray": """rllib core dashboard autoscaler cloudpickle job_config experimental serve llm cluster_utils workflow dag
        includes train.examples scripts tune.examples setup_dev internal remote_function client_builder widgets""",
    "polars": "datatypes polars convert.normalize internals utils io.plugins plugins",
    "cudf": "core utils pandas benchmarks",
    "cuml": "internals common benchmark accel",
}
"""What is no part of what people use, or too large for what it is worth."""


_UNREAD = {"transformers": tuple(f"transformers.models.{start}" for start in ("al", *"bcdefghijklmnopqrstuvwxyz"))}
"""All models but the Auto classes: their names tell what they are."""
_WHOLE = frozenset({"numpy", "pandas", "torch", "sklearn", "jax", "xgboost", "lightgbm", "polars", "dask", "cudf"})


def _scope(root: str, starts: tuple[str, ...] = (), by_attribute: bool = False) -> Scope:
    skipped = tuple(f"{root}.{name}" for name in _SKIPPED.get(root, "").split())
    return Scope(root, starts, skipped, _UNREAD.get(root, ()), by_attribute, root not in _WHOLE)


LIBRARIES: tuple[Covered, ...] = (
    Covered(_scope("numpy"), "numpy"),
    Covered(_scope("scipy"), "scipy"),
    Covered(_scope("pandas"), "pandas", ("pandas-stubs", {"2.3.3": "2.3.3.260113", "3.1.1": "3.1.0.261029"})),
    Covered(_scope("sklearn"), "scikit-learn"),
    Covered(_scope("imblearn"), "imbalanced-learn"),
    Covered(_scope("dask_ml"), "dask-ml"),
    Covered(_scope("torch"), "torch"),
    Covered(_scope("torchvision"), "torchvision"),
    Covered(_scope("lightning"), "lightning"),
    Covered(_scope("accelerate"), "accelerate"),
    Covered(_scope("torchmetrics"), "torchmetrics"),
    Covered(_scope("tensorflow", by_attribute=True), "tensorflow"),
    Covered(_scope("keras", starts=("keras.api._v2.keras", "keras.api"), by_attribute=True), "keras"),
    Covered(_scope("jax"), "jax"),
    Covered(_scope("flax"), "flax"),
    Covered(_scope("optax"), "optax"),
    Covered(_scope("transformers"), "transformers"),
    Covered(_scope("datasets"), "datasets"),
    Covered(_scope("peft", by_attribute=True), "peft"),
    Covered(_scope("trl", by_attribute=True), "trl"),
    Covered(_scope("xgboost"), "xgboost"),
    Covered(_scope("lightgbm"), "lightgbm"),
    Covered(_scope("dask"), "dask"),
    Covered(_scope("distributed"), "distributed"),
    Covered(_scope("ray"), "ray"),
    Covered(_scope("polars"), "polars"),
    Covered(_scope("cudf"), "cudf-cu12"),
    Covered(_scope("cuml"), "cuml-cu12"),
)
