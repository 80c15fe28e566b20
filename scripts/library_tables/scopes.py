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
    "numpy": """core distutils f2py array_api compat dual doc matlib matrixlib random.lib polynomial ctypeslib char
        chararray
        numarray oldnumeric strings lib.user_array defchararray ma.testutils
        random.get_bit_generator random.set_bit_generator""",
    "scipy": """misc.doccer misc.common weave io.arff io.harwell_boeing io.idl io.matlab io.mmio io.netcdf
        constants.codata constants.constants fftpack.basic fftpack.helper fftpack.pseudo_diffs fftpack.realtransforms
        integrate.dop integrate.lsoda integrate.odepack integrate.quadpack integrate.quadrature integrate.vode
        interpolate.dfitpack interpolate.fitpack interpolate.fitpack2 interpolate.interpnd interpolate.interpnd_info
        interpolate.interpolate interpolate.ndgriddata interpolate.polyint interpolate.rbf linalg.basic linalg.decomp
        linalg.decomp_cholesky linalg.decomp_lu linalg.decomp_qr linalg.decomp_schur linalg.decomp_svd linalg.flinalg
        linalg.linalg_version linalg.matfuncs linalg.misc linalg.special_matrices ndimage.filters ndimage.fourier
        ndimage.interpolation ndimage.measurements ndimage.morphology odr.add_newdocs odr.models odr.odrpack
        optimize.cobyla optimize.cython_optimize optimize.lbfgsb optimize.linesearch optimize.minpack optimize.minpack2
        optimize.moduleTNC optimize.nonlin optimize.optimize optimize.slsqp optimize.tnc optimize.zeros signal.bsplines
        signal.filter_design signal.fir_filter_design signal.lti_conversion signal.ltisys signal.signaltools
        signal.spectral signal.spline signal.waveforms signal.wavelets sparse.base sparse.bsr sparse.compressed
        sparse.construct sparse.coo sparse.csc sparse.csr sparse.data sparse.dia sparse.dok sparse.extract
        sparse.generate_sparsetools sparse.lil sparse.sparsetools sparse.spfuncs sparse.sputils spatial.ckdtree
        spatial.kdtree spatial.qhull special.add_newdocs special.basic special.lambertw special.orthogonal
        special.sf_error special.specfun special.spfun_stats stats.biasedurn stats.kde stats.morestats
        stats.mstats_basic stats.mstats_extras stats.mvn stats.statlib stats.stats stats.vonmises""",
    "pandas": "core io pandas v compat util.version arrays tseries plotting.backend api.extensions api.internals",
    "sklearn": "utils._testing utils.fixes utils.estimator_checks experimental",
    "imblearn": "utils",
    "torch": """ao fx onnx package quantization jit.frontend jit.annotations jit.supported_ops utils.model_dump
        distributed.rpc distributed.elastic distributed.pipelining distributed.pipeline distributed.nn
        distributed.tensor distributed.launcher distributed.flight_recorder distributed.algorithms
        distributed.autograd distributed.benchmarks distributed.checkpoint
        utils.hipify utils.benchmark utils.bottleneck utils.tensorboard.writer utils.data.datapipes utils.jit utils.viz
        utils.data.graph utils.mobile_optimizer contrib masked monitor for_onnx export.graph_signature nn.intrinsic
        nn.qat nn.quantizable nn.quantized headeronly cuda.jiterator mtia backends.xnnpack futures library sym
        TensorBase AliasInfo BatchNormBackend CapturedTraceback ClassDef ConvBackend Decl Def DeviceMesh FxNode
        GraphExecGroup GreenContext IValue Ident JitType Module OpSchema PackageExporter ParamsSpec Placement ShapesSpec
        SourceRange SymNode TorchDispatchMode TreeView gather_traceback get_num_thread register_after_fork
        symbolize_tracebacks unique_dim ops multiprocessing.reductions utils.cpp_extension utils.collect_env
        Node ConcreteModuleTypeBuilder LocalIntNode distributed.distributed_c10d distributed.ProcessGroupNCCLLazy
        distributed.ProcessGroupNCCL2 distributed.ProcessGroupXCCL distributed.ProcessGroupUCC
        distributed.ProcessGroupMPI distributed.ProcessGroupGloo cuda.tunable backends.python_native""",
    "torchvision": "prototype references transforms.F transforms.functional_pil transforms.functional_tensor",
    "lightning": "app store data",
    "accelerate": "commands test_utils",
    "tensorflow": "compat keras raw_ops estimator core lite python tools include mlir tpu xla",
    "keras": "src api legacy dtensor callbacks.experimental",
    "jax": """_src ad ad_util batching mlir pxla partial_eval xla interpreters tools lib extend core collect_profile
        jax_core jax_api api_util experimental.export experimental.hijax experimental.array_serialization
        experimental.attrs experimental.jet experimental.roofline experimental.rnn experimental.thunky
        experimental.custom_partitioning experimental.layout experimental.ode.ravel_first_arg
        experimental.ode.ravel_first_arg_ example_libraries
        experimental.mosaic experimental.jax2tf experimental.pallas
        experimental.array_api experimental.sparse
        experimental.colocated_python experimental.source_mapper""",
    "transformers": """models cli commands onnx kernels benchmark data.test_generation_utils integrations utils
        quantizers sagemaker distributed testing_utils convert_slow_tokenizer core_model_loading exporters agents tools
        generation.continuous_batching modeling_gguf_pytorch_utils masking_utils fusion_mapping conversion_mapping
        convert_graph_to_onnx convert_pytorch_checkpoint_to_tf2 convert_tf_hub_seq_to_seq_bert_to_pytorch
        file_utils dependency_versions_check dependency_versions_table debug_utils DummyObject
        WeightConverter""",
    "datasets": "commands packaged_modules utils filesystems tasks formatting parallel",
    "xgboost": "libpath",
    "lightgbm": "libpath",
    "dask": "bytes cli dataframe.dask_expr dataframe.tseries array.cupy_entry_point",
    "distributed": "http dashboard cli shuffle comm protocol",
    "ray": """rllib core dashboard autoscaler cloudpickle job_config experimental serve llm cluster_utils workflow dag
        includes util.state util.client util.spark util.tpu util.iter
        data.expressions data.checkpoint data.extensions train.examples scripts tune.examples setup_dev internal
        remote_function client_builder widgets""",
    "polars": "datatypes polars convert.normalize internals utils io.plugins plugins",
    "cudf": "core utils pandas benchmarks",
    "cuml": "internals common benchmark accel",
}
"""What is no part of what people use, or too large for what it is worth."""


_STORED = "BFloat16 Bool Byte Char Double Float Half Int Long QInt32 QInt8 QUInt2x4 QUInt4x2 QUInt8 Short"
_ENDINGS = {
    "torch": tuple(f"{kind}Storage" for kind in _STORED.split()),
    "sklearn": ("_request",),
    "transformers": ("_objects", "ARCHIVE_MAP", "ARCHIVE_LIST"),
}
"""Classes of one kind of number each, metadata routing, stand-ins for what is not installed, and lists of downloads."""
_WORKED_OUT = {"transformers": r"transformers\.\w+(?:Tokenizer|ImageProcessor)(?:Fast)?"}
"""What its lazy module finds by its name."""
_UNREAD = {"transformers": ("transformers.models", ("transformers.models.auto",))}
"""All models but the Auto classes: their names tell what they are."""
_WHOLE = frozenset({"numpy", "pandas", "torch", "sklearn", "jax", "xgboost", "lightgbm", "polars"})


def _scope(root: str, starts: tuple[str, ...] = (), by_attribute: bool = False) -> Scope:
    skipped = tuple(f"{root}.{name}" for name in _SKIPPED.get(root, "").split())
    unread, read = _UNREAD.get(root, (None, ()))
    endings, worked_out = _ENDINGS.get(root, ()), _WORKED_OUT.get(root)
    return Scope(root, starts, skipped, endings, unread, read, worked_out, by_attribute, root not in _WHOLE)


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
    Covered(_scope("datasets", by_attribute=True), "datasets"),
    Covered(_scope("peft", by_attribute=True), "peft"),
    Covered(_scope("trl", by_attribute=True), "trl"),
    Covered(_scope("xgboost"), "xgboost"),
    Covered(_scope("lightgbm"), "lightgbm"),
    Covered(_scope("dask"), "dask"),
    Covered(_scope("distributed", by_attribute=True), "distributed"),
    Covered(_scope("ray"), "ray"),
    Covered(_scope("polars"), "polars"),
    Covered(_scope("cudf"), "cudf-cu12"),
    Covered(_scope("cuml"), "cuml-cu12"),
)
