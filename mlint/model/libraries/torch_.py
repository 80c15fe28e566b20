"""PyTorch, torchvision, Lightning and accelerate.

By hand: the roles of classes that rules speak of (losses, layers, loaders), which operations keep a shape, results that
follow an argument or a flag, and what compiled functions without a stub give.
"""

from __future__ import annotations

from mlint.model.libraries import returning

ELEMENTWISE = frozenset(
    "abs absolute acos acosh add addcdiv addcmul asin asinh atan atan2 atanh ceil clamp clip clone contiguous cos cosh "
    "deg2rad detach digamma div divide elu erf erfc erfinv exp exp2 expm1 fix float_power floor fmod frac gelu half "
    "double float bfloat16 hardsigmoid hardswish hypot leaky_relu lerp lgamma log log10 log1p log2 logaddexp "
    "logsigmoid logit masked_fill maximum minimum mish mul multiply nan_to_num neg negative positive pow reciprocal relu "
    "relu6 remainder round rsqrt selu sigmoid sign silu sin sinh softplus softsign sqrt square sub subtract tan tanh "
    "true_divide trunc where xlogy eq ne lt le gt ge isnan isinf isfinite logical_and logical_or logical_not".split()
)
"""Operations that keep the shape of their (broadcast) operands; functions and methods share the names."""

_SHAPING = (
    "reshape view flatten unflatten permute transpose t swapaxes swapdims squeeze unsqueeze expand expand_as repeat "
    "repeat_interleave flip fliplr flipud roll rot90 narrow select index_select gather scatter scatter_add masked_select "
    "take take_along_dim diagonal diag tril triu movedim broadcast_to tile cumsum cumprod softmax log_softmax "
    "normalize dropout sort_ argsort bincount unfold renorm type_as to cuda cpu requires_grad_ pin_memory "
    "zero_ fill_ copy_ add_ sub_ mul_ div_ clamp_ normal_ uniform_ data_ptr_ detach_ long int short byte bool char "
    "new_zeros new_ones new_full new_empty new_tensor index_fill masked_fill_ scatter_ scatter_add_ index_add index_add_ "
    "index_copy index_put retain_grad_ inverse cholesky"
)
_REDUCING = (
    "sum mean prod std var norm logsumexp argmax argmin all any amax amin nansum nanmean count_nonzero dist dot mm bmm "
    "matmul mv ger outer addmm baddbmm einsum tensordot cdist nll_loss cross_entropy mse_loss l1_loss smooth_l1_loss "
    "huber_loss kl_div binary_cross_entropy binary_cross_entropy_with_logits cosine_similarity pairwise_distance "
    "cosine_embedding_loss triplet_margin_loss ctc_loss poisson_nll_loss gaussian_nll_loss margin_ranking_loss "
    "hinge_embedding_loss soft_margin_loss multi_margin_loss trace det logdet numel_"
)

FUNCTIONS: dict[str, str] = {
    **returning(
        "torch.Tensor",
        "cartesian_prod block_diag nonzero from_dlpack Tensor FloatTensor LongTensor DoubleTensor "
        "IntTensor BoolTensor ByteTensor HalfTensor",
        "torch.",
    ),
    **returning("torch.Tensor", " ".join(sorted(ELEMENTWISE)), "torch."),
    **returning("torch.Tensor", _SHAPING, "torch."),
    **returning("torch.Tensor", _REDUCING, "torch."),
    **returning("torch.Tensor", _REDUCING, "torch.nn.functional."),
    **returning(
        "torch.Tensor",
        " ".join(sorted(ELEMENTWISE)) + " softmax log_softmax normalize dropout linear conv1d conv2d conv3d "
        "conv_transpose2d max_pool2d avg_pool2d adaptive_avg_pool2d interpolate pad one_hot embedding layer_norm "
        "batch_norm group_norm instance_norm grid_sample unfold fold pixel_shuffle scaled_dot_product_attention "
        "gumbel_softmax glu bilinear upsample affine_grid softmin hardtanh prelu rrelu celu",
        "torch.nn.functional.",
    ),
    **returning("torch.Tensor", "logsumexp", "torch.special."),
    **returning("torch.Tensor", "", "torch.linalg."),
    **returning("tuple[torch.Tensor, ...]", "split chunk unbind tensor_split meshgrid", "torch."),
    "torch.device": "torch.device",
    "torch.Generator": "torch.Generator",
    "torch.manual_seed": "torch.Generator",
    "torch.utils.data.random_split": "list[torch.utils.data.Dataset]",
    "torch.autograd.Variable": "torch.Tensor",
    "torch.nn.Parameter": "torch.Tensor",
    "torch.nn.parameter.Parameter": "torch.Tensor",
    "torch.optim.Optimizer": "torch.optim.Optimizer",
    "torch.compile": "same-as-argument",
    "torch.hub.load": "torch.nn.Module",
    "torchvision.transforms.functional.to_tensor": "torch.Tensor",
}

_NOT_MODULES = frozenset({"Parameter", "Buffer", "UninitializedParameter", "ParameterList", "ParameterDict"})
_LOSS_SUFFIX = "Loss"


def FAMILIES(dotted: str) -> tuple[str, ...] | None:
    """The families of a class of torch, by its name."""
    module, _, name = dotted.rpartition(".")
    if not name[:1].isupper():
        return None
    if module == "torch.nn" and name not in _NOT_MODULES:
        if name.endswith(_LOSS_SUFFIX):
            return ("torch.nn.Loss", "torch.nn.Module")
        return ("torch.nn.Layer", "torch.nn.Module") if name in LAYERS else ("torch.nn.Module",)
    if module in ("torch.nn.parallel", "torch.nn.utils.parametrizations"):
        return ("torch.nn.Module",)
    if module == "torch.optim":
        return ("torch.optim.Optimizer",)
    if module == "torch.optim.lr_scheduler":
        return ("torch.optim.lr_scheduler.LRScheduler",)
    return None


LAYERS = frozenset(
    "Linear Bilinear Identity Conv1d Conv2d Conv3d ConvTranspose1d ConvTranspose2d ConvTranspose3d BatchNorm1d "
    "BatchNorm2d BatchNorm3d LayerNorm GroupNorm InstanceNorm1d InstanceNorm2d InstanceNorm3d RMSNorm Dropout Dropout1d "
    "Dropout2d Dropout3d AlphaDropout ReLU LeakyReLU ELU SELU GELU SiLU Mish Sigmoid Tanh Softplus Softmax LogSoftmax "
    "Softmax2d LogSigmoid Hardtanh Hardswish PReLU Threshold MaxPool1d MaxPool2d MaxPool3d AvgPool1d AvgPool2d AvgPool3d "
    "AdaptiveAvgPool1d AdaptiveAvgPool2d AdaptiveMaxPool2d Embedding Flatten Unflatten Upsample ZeroPad2d "
    "ReflectionPad2d PixelShuffle CosineSimilarity PairwiseDistance".split()
)
"""Modules that return one tensor for one tensor."""

CLASSES: dict[str, tuple[str, ...]] = {
    "torch.utils.data.DataLoader": ("torch.utils.data.DataLoader",),
    "torch.utils.data.Dataset": ("torch.utils.data.Dataset",),
    "torch.utils.data.IterableDataset": ("torch.utils.data.IterableDataset", "torch.utils.data.Dataset"),
    "torch.utils.data.TensorDataset": ("torch.utils.data.Dataset",),
    "torch.utils.data.Subset": ("torch.utils.data.Dataset",),
    "torch.utils.data.ConcatDataset": ("torch.utils.data.Dataset",),
    "torch.amp.GradScaler": ("torch.amp.GradScaler",),
    "torch.cuda.amp.GradScaler": ("torch.amp.GradScaler",),
    "torch.cuda.amp.grad_scaler.GradScaler": ("torch.amp.GradScaler",),
    "lightning.pytorch.LightningModule": ("lightning.pytorch.LightningModule", "torch.nn.Module"),
    "lightning.LightningModule": ("lightning.pytorch.LightningModule", "torch.nn.Module"),
    "lightning.pytorch.core.LightningModule": ("lightning.pytorch.LightningModule", "torch.nn.Module"),
    "lightning.pytorch.Trainer": ("lightning.pytorch.Trainer",),
    "lightning.pytorch.LightningDataModule": ("lightning.pytorch.LightningDataModule",),
    "accelerate.Accelerator": ("accelerate.Accelerator",),
    "torch.cuda.Event": ("torch.cuda.Event",),
    "torch.cuda.Stream": ("torch.cuda.Stream",),
}

METHODS: dict[str, dict[str, str]] = {
    "torch.Tensor": {
        **returning("torch.Tensor", " ".join(sorted(ELEMENTWISE))),
        **returning("torch.Tensor", _SHAPING),
        **returning("torch.Tensor", _REDUCING),
        **returning("tuple[torch.Tensor, ...]", "split chunk unbind tensor_split"),
        **returning("torch.Tensor", "nonzero_"),
        "size": "torch.Size",
        "dim": "int",
        "numel": "int",
        "backward": "None",
    },
    "torch.nn.Module": {
        **returning("same", ""),
        "state_dict": "torch.state_dict",
        **returning("iterable[torch.Tensor]", "parameters buffers"),
        **returning("iterable[tuple[str, torch.Tensor]]", "named_parameters named_buffers"),
        **returning("iterable[torch.nn.Module]", "modules children"),
        **returning("iterable[tuple[str, torch.nn.Module]]", "named_modules named_children"),
    },
    "torch.Generator": {"manual_seed": "same"},
    "torch.amp.GradScaler": {"scale": "torch.Tensor"},
}

ATTRIBUTES: dict[str, dict[str, str]] = {
    "torch.Tensor": {
        **returning("torch.Tensor", "grad"),
        "shape": "torch.Size",
        "ndim": "int",
        "device": "torch.device",
        "dtype": "torch.dtype",
    },
}
