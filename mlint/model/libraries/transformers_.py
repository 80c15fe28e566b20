"""Hugging Face Transformers: there are too many models to list, and their names tell what they are."""

from __future__ import annotations

_LAMBDA = "torch.optim.lr_scheduler.LambdaLR"
FUNCTIONS: dict[str, str] = {
    "transformers.pipeline": "transformers.Pipeline",
    "transformers.get_scheduler": "torch.optim.lr_scheduler.LRScheduler",
    "transformers.get_constant_schedule": _LAMBDA,
    "transformers.get_constant_schedule_with_warmup": _LAMBDA,
    "transformers.get_cosine_schedule_with_warmup": _LAMBDA,
    "transformers.get_cosine_with_hard_restarts_schedule_with_warmup": _LAMBDA,
    "transformers.get_cosine_with_min_lr_schedule_with_warmup": _LAMBDA,
    "transformers.get_inverse_sqrt_schedule": _LAMBDA,
    "transformers.get_linear_schedule_with_warmup": _LAMBDA,
    "transformers.get_polynomial_decay_schedule_with_warmup": _LAMBDA,
    "transformers.get_wsd_schedule": _LAMBDA,
}


def FAMILIES(dotted: str) -> tuple[str, ...] | None:
    """The families of a class of transformers, by its name."""
    root, _, name = dotted.rpartition(".")
    if not root.startswith("transformers") or not name[:1].isupper():
        return None
    if name.endswith(("Tokenizer", "TokenizerFast")):
        return ("transformers.PreTrainedTokenizerBase",)
    if name.endswith("Config"):
        return ("transformers.PretrainedConfig",)
    if name.endswith("Trainer"):
        return ("transformers.Trainer",)
    if name.startswith(("TF", "Flax")):
        return None
    if name.endswith("Model") or "For" in name[1:]:
        return ("transformers.PreTrainedModel", "torch.nn.Module")
    return None
