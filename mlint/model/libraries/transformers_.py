"""Hugging Face Transformers: there are too many models to list, and their names tell what they are."""

from __future__ import annotations

FUNCTIONS: dict[str, str] = {"transformers.pipeline": "transformers.Pipeline"}


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
