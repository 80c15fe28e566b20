from __future__ import annotations

import ast
from collections.abc import Iterator

from mlint.rule import Context, Edit, Example, Finding, Fix, Module, Rule, Safety

GIVEN = "import torch\nimport torchvision\nfrom torchvision import models\n"
_MODELS = "torchvision.models."
_FAMILIES = (
    "alexnet convnext_ densenet efficientnet_ googlenet inception_v3 maxvit_t mnasnet mobilenet_v regnet_ resnet "
    "resnext wide_resnet shufflenet_v2_ squeezenet swin_ vgg vit_"
).split()
_WITHOUT = frozenset({"regnet_y_128gf", "vit_h_14"})
# Part of torchvision.models → the weights that `pretrained=True` stands for, in all versions that have `weights`.
_LEGACY = {"segmentation": "COCO_WITH_VOC_LABELS_V1", "detection": "COCO_V1", "video": "KINETICS400_V1"}


class TorchvisionLegacyArgument(Rule):
    """`pretrained=` of torchvision's models has given way to `weights=`, and warns.

    ## Why
    Since torchvision 0.13 a model is built with the weights that are named: there are several for one architecture,
    each with the preprocessing that belongs to it (`weights.transforms()`). `pretrained=True` stands for the oldest
    ones, and may be removed in any release.

    ## Fix safety
    Unsafe: not because of the weights, which are the same, but because a version before 0.13 knows no `weights`. There
    is a fix where the targeted version of torchvision is known to be at least that.

    ## Known limits
    Detection with `ssd300_vgg16` and `pretrained_backbone` is reported only, and so are models of which torchvision has
    no weights under one name.

    ## References
    - torchvision documentation, "Models and pre-trained weights", section "Initializing pre-trained models".
    """

    code, name = "ML806", "torchvision-legacy-argument"
    libraries = ("torch",)
    words = ("pretrained",)
    safety = Safety.UNSAFE
    triggers = (Module(),)

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        if "torchvision" not in ctx.source.text:
            return
        for call in ctx.tree.calls:
            for keyword in call.keywords:
                if keyword.arg in ("pretrained", "pretrained_backbone"):
                    yield from self._legacy(call, keyword, ctx)

    def _legacy(self, call: ast.Call, keyword: ast.keyword, ctx: Context) -> Iterator[Finding]:
        dotted = ctx.dotted(call.func) or ""
        if not dotted.startswith(_MODELS) or ctx.open_ended(call) or ctx.flow.version_guarded(call):
            return
        if any(other.arg in ("weights", "weights_backbone") for other in call.keywords):
            return
        new = "weights" if keyword.arg == "pretrained" else "weights_backbone"
        weights = self._weights(dotted.removeprefix(_MODELS), new)
        yield ctx.finding(
            keyword.value,
            f"`{keyword.arg}` of `{ctx.short(call.func)}` is deprecated since torchvision 0.13",
            f"use `{new}`",
            self._fix(call, keyword, new, weights, ctx),
        )

    def _weights(self, model: str, argument: str) -> str | None:
        """The name of the weights that the old argument stands for."""
        part, _, name = model.rpartition(".")
        if argument == "weights_backbone":
            return "IMAGENET1K_V1" if part in ("segmentation", "detection") and name != "ssd300_vgg16" else None
        if part:
            known = name not in ("resnet_fpn_backbone", "mobilenet_backbone")
            return _LEGACY.get(part) if known else None
        return "IMAGENET1K_V1" if name.startswith(tuple(_FAMILIES)) and name not in _WITHOUT else None

    def _fix(self, call: ast.Call, keyword: ast.keyword, new: str, weights: str | None, ctx: Context) -> Fix | None:
        if not ctx.targets("torchvision", ">=0.13") or weights is None or keyword.arg is None:
            return None
        others = [other for other in call.keywords if other.arg in ("pretrained", "pretrained_backbone")]
        if len(others) != 1:
            return None
        value = keyword.value
        if isinstance(value, ast.Constant):
            text = f'"{weights}"' if value.value else "None"
        elif isinstance(value, (ast.Name, ast.Attribute, ast.Subscript)):
            text = f'"{weights}" if {ctx.text(value)} else None'
        else:
            return None
        old = keyword.arg

        def build() -> Edit:
            keywords = [other for other in call.keywords if other is not keyword]
            before = [*call.args, *keywords[: call.keywords.index(keyword)]]
            after = keywords[call.keywords.index(keyword) :]
            parts = [f"{new}={text}"]
            template = ", ".join([*(["$*before"] if before else []), *parts, *(["$*after"] if after else [])])
            given = {"f": call.func, "before": before, "after": after}
            return ctx.edits.replace(call, f"$f({template})", **{k: v for k, v in given.items() if v})  # type: ignore[arg-type]

        return ctx.fix(build, Safety.UNSAFE, f"Replace `{old}` by `{new}`")

    examples = (
        Example(
            given=GIVEN,
            ok='net = models.resnet50(weights="IMAGENET1K_V2")\nother = models.vgg16(weights=None)\n',
        ),
        Example(
            given="import torch\nimport timm\nimport torchvision\n",
            ok='net = timm.create_model("resnet50", pretrained=True)\n',
        ),
        Example(
            given="import torch\nfrom mine import models\nimport torchvision\n",
            ok="net = models.resnet50(pretrained=True)\n",
        ),
        Example(
            given=GIVEN,
            targets={"torchvision": ">=0.15"},
            bad="net = models.resnet50(pretrained=True, progress=False)  # ImageNet\n",
            good='net = models.resnet50(weights="IMAGENET1K_V1", progress=False)  # ImageNet\n',
        ),
        Example(
            given=GIVEN,
            targets={"torchvision": "0.20"},
            bad="net = torchvision.models.segmentation.fcn_resnet50(pretrained=False)\n",
            good="net = torchvision.models.segmentation.fcn_resnet50(weights=None)\n",
        ),
        Example(
            given="import torch\nfrom torchvision.models import vgg16\n",
            targets={"torchvision": "0.20"},
            bad="def build(pretrained):\n    return vgg16(pretrained=pretrained)\n",
            good='def build(pretrained):\n    return vgg16(weights="IMAGENET1K_V1" if pretrained else None)\n',
        ),
        Example(given=GIVEN, bad="net = models.resnet50(pretrained=True)\n", note="it may be a version before 0.13"),
    )
