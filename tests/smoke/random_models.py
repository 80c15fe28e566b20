"""Clean small models at random: depth, widths, activations, norms, residuals, inputs and losses from a seed."""

from __future__ import annotations

import random
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.smoke.architectures import Architecture

ACTIVATIONS: list[Callable[[], nn.Module]] = [
    nn.ReLU, nn.GELU, nn.SiLU, nn.Tanh, nn.ELU, nn.LeakyReLU, nn.Softplus, nn.Mish, nn.Sigmoid, nn.Hardswish,
]  # fmt: skip


class Residual(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        return x + self.inner(x)


class Recurrent(nn.Module):
    """An embedding or a projection, recurrent layers, and what is made of their states."""

    def __init__(self, kind: str, words: int, width: int, layers: int, both: bool, pooled: bool, outputs: int) -> None:
        super().__init__()
        self.enter = nn.Embedding(words, width)
        cell = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}[kind]
        self.cell = cell(width, width, layers, batch_first=True, bidirectional=both)
        self.pooled = pooled
        self.head = nn.Linear(width * (2 if both else 1), outputs)

    def forward(self, ids: Tensor) -> Tensor:
        states, _ = self.cell(self.enter(ids))
        return self.head(states.mean(1) if self.pooled else states)


class Attention(nn.Module):
    def __init__(
        self, words: int, length: int, width: int, layers: int, first: bool, causal: bool, outputs: int
    ) -> None:
        super().__init__()
        self.enter, self.position = nn.Embedding(words, width), nn.Embedding(length, width)
        layer = nn.TransformerEncoderLayer(
            width, 2, 2 * width, dropout=0.0 if causal else 0.1, batch_first=True, norm_first=first
        )
        self.layers = nn.ModuleList(_fresh(layer) for _ in range(layers))
        self.causal = causal
        self.head = nn.Linear(width, outputs)

    def forward(self, ids: Tensor) -> Tensor:
        length = ids.shape[1]
        hidden = self.enter(ids) + self.position(torch.arange(length, device=ids.device))
        mask = nn.Transformer.generate_square_subsequent_mask(length, device=ids.device) if self.causal else None
        for layer in self.layers:
            hidden = layer(hidden, src_mask=None if mask is None else mask.to(hidden.dtype), is_causal=self.causal)
        return self.head(hidden if self.causal else hidden.mean(1))


def _fresh(layer: nn.TransformerEncoderLayer) -> nn.TransformerEncoderLayer:
    import copy

    made = copy.deepcopy(layer)
    for parameter in made.parameters():
        if parameter.dim() > 1:
            nn.init.xavier_uniform_(parameter)
    return made


def _dense(draw: random.Random, inside: int, outside: int) -> nn.Module:
    activation = draw.choice(ACTIVATIONS)
    norm = draw.choice(["none", "none", "layer", "batch"])
    parts: list[nn.Module] = []
    width = inside
    for _ in range(draw.randint(1, 5)):
        wide = draw.choice([8, 12, 16, 24, 32])
        parts.append(nn.Linear(width, wide, bias=norm != "batch" or draw.random() < 0.3))
        if norm == "layer":
            parts.append(nn.LayerNorm(wide))
        elif norm == "batch":
            parts.append(nn.BatchNorm1d(wide))
        parts.append(activation())
        if draw.random() < 0.3:
            parts.append(nn.Dropout(draw.choice([0.1, 0.3])))
        if draw.random() < 0.4:
            parts.append(Residual(nn.Sequential(nn.Linear(wide, wide), activation(), nn.Linear(wide, wide))))
        width = wide
    return nn.Sequential(*parts, nn.Linear(width, outside))


def _convolutional(draw: random.Random, channels: int, outside: int) -> nn.Module:
    activation = draw.choice(ACTIVATIONS)
    norm = draw.choice(["none", "batch", "group", "instance"])
    parts: list[nn.Module] = []
    width = channels
    for index in range(draw.randint(1, 4)):
        wide = draw.choice([8, 12, 16])
        parts.append(nn.Conv2d(width, wide, draw.choice([1, 3, 3]), padding="same", bias=norm in ("none", "group")))
        if norm == "batch":
            parts.append(nn.BatchNorm2d(wide))
        elif norm == "group":
            parts.append(nn.GroupNorm(4, wide))
        elif norm == "instance":
            parts.append(nn.InstanceNorm2d(wide, affine=True))
        parts.append(activation())
        if index == 0 and draw.random() < 0.5:
            parts.append(draw.choice([nn.MaxPool2d, nn.AvgPool2d])(2))
        if draw.random() < 0.4:
            parts.append(Residual(nn.Sequential(nn.Conv2d(wide, wide, 3, padding=1), activation())))
        width = wide
    if norm == "instance":  # the mean over positions that a normalisation made zero carries nothing
        parts.append(nn.Conv2d(width, width, 3, padding=1))
        parts.append(nn.ReLU())
    return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(draw.choice([1, 2])), nn.Flatten(), nn.LazyLinear(outside))


def clean_model(seed: int) -> Architecture:
    """The clean model of a seed."""
    draw = random.Random(seed)
    rows = draw.choice([4, 6, 8, 9])
    family = draw.choice(["dense", "dense", "convolutional", "convolutional", "recurrent", "attention"])
    task = draw.choice(["classes", "numbers", "flags"])
    outputs = draw.randint(2, 7) if task == "classes" else draw.choice([1, 3])
    shape_seed = draw.randrange(2**31)
    per_token = False
    if family == "dense":
        inside = draw.randint(5, 20)

        def build() -> nn.Module:
            return _dense(random.Random(shape_seed), inside, outputs)

        def inputs() -> Tensor:
            return torch.randn(rows, inside)

    elif family == "convolutional":
        channels, size = draw.choice([1, 3]), draw.choice([8, 10])

        def build() -> nn.Module:
            return _convolutional(random.Random(shape_seed), channels, outputs)

        def inputs() -> Tensor:
            return torch.randn(rows, channels, size, size)

    else:
        words, length, width = draw.randint(12, 40), draw.randint(5, 11), draw.choice([8, 12, 16])
        layers, choice = draw.randint(1, 3), draw.random() < 0.5
        kind, both = draw.choice(["lstm", "gru", "rnn"]), draw.random() < 0.4
        per_token = choice

        def build() -> nn.Module:
            if family == "recurrent":
                return Recurrent(kind, words, width, layers, both, not choice, outputs)
            return Attention(words, length, width, layers, both, choice, outputs)

        def inputs() -> Tensor:
            return torch.randint(0, words, (rows, length))

    def batch() -> tuple[Tensor, Tensor]:
        x = inputs()
        shape = (rows, x.shape[1]) if per_token else (rows,)
        if task == "classes":
            return x, torch.arange(rows).view(rows, *[1] * (len(shape) - 1)).expand(shape).remainder(outputs).clone()
        if task == "numbers":
            return x, torch.randn(*shape, outputs)
        return x, (torch.rand(*shape, outputs) < 0.5).float()

    def loss(output: Tensor, batch: tuple[Tensor, Tensor]) -> Tensor:
        if task == "classes":
            return F.cross_entropy(output.reshape(-1, outputs), batch[1].reshape(-1))
        if task == "numbers":
            return (F.mse_loss if shape_seed % 2 else F.smooth_l1_loss)(output, batch[1])
        return F.binary_cross_entropy_with_logits(output, batch[1])

    causal = per_token and (family == "attention" or not both)
    options = {"causal": True} if family in ("attention", "recurrent") and causal else {}
    return Architecture(f"{family}-{task}-{seed}", build, batch, loss, options)
