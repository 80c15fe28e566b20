"""The clean zoo: small models of every common family, each right in every way that a check looks at.

Importing this module imports torch; transformers and Keras are imported by the factories that need them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

ROWS = 6
"""Samples in a batch; no other size of these models."""


@dataclass(frozen=True)
class Architecture:
    """One entry of the zoo: factories as a project would write them."""

    name: str
    build: Callable[[], nn.Module]
    batch: Callable[[], object]
    loss: Callable[..., Tensor] | None
    options: Mapping[str, object] = field(default_factory=dict)
    """Entries of the target's configuration: causal, padding, frozen."""
    requires: tuple[str, ...] = ()
    """Libraries besides torch."""


ZOO: dict[str, Architecture] = {}


def architecture(
    name: str,
    build: Callable[[], nn.Module],
    batch: Callable[[], object],
    loss: Callable[..., Tensor] | None,
    requires: tuple[str, ...] = (),
    **options: object,
) -> None:
    ZOO[name] = Architecture(name, build, batch, loss, options, requires)


# ---------------------------------------------------------------------------------------------- batches and losses


def images(channels: int = 3, size: int = 8, classes: int = 5) -> tuple[Tensor, Tensor]:
    return torch.randn(ROWS, channels, size, size), torch.arange(ROWS) % classes


def vectors(width: int = 11, classes: int = 5) -> tuple[Tensor, Tensor]:
    return torch.randn(ROWS, width), torch.arange(ROWS) % classes


def tokens(length: int = 9, vocabulary: int = 23) -> tuple[Tensor, Tensor]:
    ids = torch.randint(0, vocabulary, (ROWS, length + 1))
    return ids[:, :-1].contiguous(), ids[:, 1:].contiguous()


def padded(length: int = 9, vocabulary: int = 23, classes: int = 4) -> dict[str, Tensor]:
    lengths = torch.tensor([9, 4, 7, 9, 5, 3])[:ROWS]
    mask = (torch.arange(length) < lengths[:, None]).long()
    ids = torch.randint(1, vocabulary, (ROWS, length)) * mask
    return {"input_ids": ids, "attention_mask": mask, "labels": torch.arange(ROWS) % classes}


def classify(output: Tensor, batch: tuple[Tensor, Tensor]) -> Tensor:
    return F.cross_entropy(output, batch[1])


def next_token(output: Tensor, batch: tuple[Tensor, Tensor]) -> Tensor:
    return F.cross_entropy(output.flatten(0, 1), batch[1].flatten())


def regress(output: Tensor, batch: tuple[Tensor, Tensor]) -> Tensor:
    return F.mse_loss(output, batch[1])


# ----------------------------------------------------------------------------------------------------- the models


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(11, 24), nn.ReLU(), nn.Dropout(0.1), nn.Linear(24, 24), nn.GELU(), nn.Linear(24, 5))


def cnn() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(inplace=True),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, 5),
    )


class BasicBlock(nn.Module):
    def __init__(self, inside: int, outside: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inside, outside, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outside)
        self.conv2 = nn.Conv2d(outside, outside, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outside)
        nn.init.zeros_(self.bn2.weight)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inside != outside:
            self.shortcut = nn.Sequential(nn.Conv2d(inside, outside, 1, stride, bias=False), nn.BatchNorm2d(outside))

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.bn1(self.conv1(x)), inplace=True)
        out = self.bn2(self.conv2(out))
        out += self.shortcut(x)
        return F.relu(out)


class ResNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 1, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU())
        self.layer1 = nn.Sequential(BasicBlock(8, 8), BasicBlock(8, 8))
        self.layer2 = nn.Sequential(BasicBlock(8, 16, 2), BasicBlock(16, 16))
        self.fc = nn.Linear(16, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.layer2(self.layer1(self.stem(x))).mean((2, 3)))


class LSTMClassifier(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(23, 12, padding_idx=0)
        self.lstm = nn.LSTM(12, 16, num_layers=2, batch_first=True, dropout=0.1)
        self.head = nn.Linear(16, 4)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        lengths = attention_mask.sum(1).cpu()
        packed = nn.utils.rnn.pack_padded_sequence(
            self.embedding(input_ids), lengths, batch_first=True, enforce_sorted=False
        )
        _, (hidden, _) = self.lstm(packed)
        return self.head(hidden[-1])


def classify_named(output: Tensor, batch: Mapping[str, Tensor]) -> Tensor:
    return F.cross_entropy(output, batch["labels"])


class GRURegressor(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gru = nn.GRU(3, 16, batch_first=True, bidirectional=True)
        self.head = nn.Linear(32, 1)

    def forward(self, series: Tensor) -> Tensor:
        states, _ = self.gru(series)
        return self.head(states.mean(1)).squeeze(-1)


def series() -> tuple[Tensor, Tensor]:
    return torch.randn(ROWS, 10, 3), torch.randn(ROWS)


class Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(23, 16)
        self.position = nn.Parameter(torch.randn(9, 16) * 0.02)
        layer = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.1, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, 2)
        for parameter in self.layers.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)
        self.head = nn.Linear(16, 4)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        hidden = self.embedding(input_ids) + self.position[: input_ids.shape[1]]
        hidden = self.layers(hidden, src_key_padding_mask=attention_mask == 0)
        weight = attention_mask.unsqueeze(-1).to(hidden.dtype)
        return self.head((hidden * weight).sum(1) / weight.sum(1).clamp(min=1))


class CausalBlock(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        rows, length, width = x.shape
        q, k, v = (
            part.view(rows, length, self.heads, -1).transpose(1, 2) for part in self.qkv(self.norm1(x)).chunk(3, -1)
        )
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(mixed.transpose(1, 2).reshape(rows, length, width))
        return x + self.mlp(self.norm2(x))


class Decoder(nn.Module):
    def __init__(self, tied: bool = False) -> None:
        super().__init__()
        self.token, self.position = nn.Embedding(23, 16), nn.Embedding(9, 16)
        self.blocks = nn.ModuleList(CausalBlock(16, 2) for _ in range(2))
        self.norm = nn.LayerNorm(16)
        self.head = nn.Linear(16, 23, bias=False)
        if tied:
            nn.init.normal_(self.token.weight, std=0.1)
            self.head.weight = self.token.weight

    def forward(self, ids: Tensor) -> Tensor:
        x = self.token(ids) + self.position(torch.arange(ids.shape[1], device=ids.device))
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))


class VAE(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(11, 24), nn.ReLU())
        self.mean, self.log_variance = nn.Linear(24, 4), nn.Linear(24, 4)
        self.decoder = nn.Sequential(nn.Linear(4, 24), nn.ReLU(), nn.Linear(24, 11))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        hidden = self.encoder(x)
        mean, log_variance = self.mean(hidden), self.log_variance(hidden)
        latent = mean
        if self.training:
            latent = mean + torch.randn_like(mean) * torch.exp(0.5 * log_variance)
        return self.decoder(latent), mean, log_variance


def evidence_bound(output: tuple[Tensor, Tensor, Tensor], batch: Tensor) -> Tensor:
    rebuilt, mean, log_variance = output
    divergence = -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).sum(1).mean()
    return F.mse_loss(rebuilt, batch, reduction="none").sum(1).mean() + divergence


class GAN(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.generator = nn.Sequential(nn.Linear(4, 24), nn.LeakyReLU(0.2), nn.Linear(24, 11))
        self.discriminator = nn.Sequential(nn.Linear(11, 24), nn.LeakyReLU(0.2), nn.Linear(24, 1))

    def forward(self, noise: Tensor, real: Tensor) -> dict[str, Tensor]:
        fake = self.generator(noise)
        fixed = {name: value.detach() for name, value in self.discriminator.named_parameters()}
        return {
            "real": self.discriminator(real),
            "fake": self.discriminator(fake.detach()),
            "fooled": functional_call(self.discriminator, fixed, (fake,)),
        }


def adversarial(output: Mapping[str, Tensor], batch: object) -> Tensor:
    return F.softplus(-output["real"]).mean() + F.softplus(output["fake"]).mean() + F.softplus(-output["fooled"]).mean()


class TimeBlock(nn.Module):
    def __init__(self, inside: int, outside: int, time: int) -> None:
        super().__init__()
        self.norm, self.conv = nn.GroupNorm(4, inside), nn.Conv2d(inside, outside, 3, padding=1)
        self.time = nn.Linear(time, outside)
        self.norm2, self.conv2 = nn.GroupNorm(4, outside), nn.Conv2d(outside, outside, 3, padding=1)
        self.skip = nn.Conv2d(inside, outside, 1) if inside != outside else nn.Identity()

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        hidden = self.conv(F.silu(self.norm(x))) + self.time(F.silu(time))[:, :, None, None]
        return self.skip(x) + self.conv2(F.silu(self.norm2(hidden)))


class UNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.time = nn.Sequential(nn.Linear(16, 16), nn.SiLU(), nn.Linear(16, 16))
        self.enter = nn.Conv2d(3, 8, 3, padding=1)
        self.down, self.middle = TimeBlock(8, 16, 16), TimeBlock(16, 16, 16)
        self.up = TimeBlock(16 + 8, 8, 16)
        self.leave = nn.Sequential(nn.GroupNorm(4, 8), nn.SiLU(), nn.Conv2d(8, 3, 3, padding=1))
        nn.init.zeros_(self.leave[2].weight)
        nn.init.zeros_(self.leave[2].bias)

    def forward(self, noisy: Tensor, step: Tensor) -> Tensor:
        frequency = torch.exp(-math.log(1000) * torch.arange(8, device=noisy.device, dtype=noisy.dtype) / 8)
        angle = step.to(noisy.dtype)[:, None] * frequency
        time = self.time(torch.cat([angle.sin(), angle.cos()], 1))
        first = self.enter(noisy)
        hidden = self.middle(self.down(F.avg_pool2d(first, 2), time), time)
        hidden = F.interpolate(hidden, scale_factor=2.0, mode="nearest")
        return self.leave(self.up(torch.cat([hidden, first], 1), time))


def noised() -> tuple[Tensor, Tensor, Tensor]:
    clean, noise = torch.randn(ROWS, 3, 8, 8), torch.randn(ROWS, 3, 8, 8)
    step = torch.randint(0, 1000, (ROWS,))
    keep = torch.cos(step / 1000 * math.pi / 2)[:, None, None, None]
    return keep * clean + (1 - keep.square()).sqrt() * noise, step, noise


def denoise(output: Tensor, batch: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    return F.mse_loss(output, batch[2])


class GraphNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.enter = nn.Linear(7, 16)
        self.message = nn.ModuleList(nn.Linear(32, 16) for _ in range(2))
        self.update = nn.ModuleList(nn.Linear(32, 16) for _ in range(2))
        self.head = nn.Linear(16, 3)

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        source, target = edge_index
        hidden = F.relu(self.enter(x))
        degree = torch.zeros(len(x), 1, dtype=hidden.dtype, device=x.device)
        degree = degree.index_add(0, target, torch.ones(len(target), 1, dtype=hidden.dtype, device=x.device))
        for message, update in zip(self.message, self.update):
            sent = F.relu(message(torch.cat([hidden[source], hidden[target]], 1)))
            heard = torch.zeros_like(hidden).index_add(0, target, sent) / degree.clamp(min=1)
            hidden = F.relu(update(torch.cat([hidden, heard], 1)))
        return self.head(hidden)


def graph() -> dict[str, Tensor]:
    nodes = 14
    edges = torch.stack([torch.arange(nodes), (torch.arange(nodes) + 1) % nodes])
    more = torch.randint(0, nodes, (2, 12))
    return {"x": torch.randn(nodes, 7), "edge_index": torch.cat([edges, more], 1), "y": torch.arange(nodes) % 3}


def classify_nodes(output: Tensor, batch: Mapping[str, Tensor]) -> Tensor:
    return F.cross_entropy(output, batch["y"])


class Experts(nn.Module):
    def __init__(self, width: int = 16, count: int = 3, used: int = 2) -> None:
        super().__init__()
        self.used = used
        self.gate = nn.Linear(width, count, bias=False)
        self.experts = nn.ModuleList(
            nn.Sequential(nn.Linear(width, 24), nn.GELU(), nn.Linear(24, width)) for _ in range(count)
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        flat = x.flatten(0, -2)
        probability = self.gate(flat).softmax(-1)
        weight, chosen = probability.topk(self.used, -1)
        weight = weight / weight.sum(-1, keepdim=True)
        mixed = torch.zeros_like(flat)
        for index, expert in enumerate(self.experts):
            row, slot = (chosen == index).nonzero(as_tuple=True)
            mixed = mixed.index_add(0, row, weight[row, slot, None] * expert(flat[row]))
        share = F.one_hot(chosen[:, 0], len(self.experts)).to(flat.dtype).mean(0)
        return mixed.view_as(x), len(self.experts) * (share * probability.mean(0)).sum()


class MixtureModel(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.enter, self.norm, self.experts = nn.Linear(11, 16), nn.LayerNorm(16), Experts()
        self.head = nn.Linear(16, 5)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        hidden = self.enter(x)
        mixed, balance = self.experts(self.norm(hidden))
        return {"logits": self.head(hidden + mixed), "balance": balance}


def many_vectors() -> tuple[Tensor, Tensor]:
    return torch.randn(ROWS, 7, 11), torch.randint(0, 5, (ROWS, 7))


def balanced(output: Mapping[str, Tensor], batch: tuple[Tensor, Tensor]) -> Tensor:
    return F.cross_entropy(output["logits"].flatten(0, 1), batch[1].flatten()) + 0.01 * output["balance"]


class LoRALinear(nn.Module):
    def __init__(self, base: nn.Linear, rank: int = 2, alpha: float = 4.0) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        self.down = nn.Parameter(torch.randn(rank, base.in_features) / math.sqrt(base.in_features))
        self.up = nn.Parameter(torch.zeros(base.out_features, rank))
        self.scale = alpha / rank

    def forward(self, x: Tensor) -> Tensor:
        return self.base(x) + F.linear(F.linear(x, self.down), self.up) * self.scale


def lora() -> nn.Module:
    model = Decoder().requires_grad_(False)
    for block in model.blocks:
        block.qkv, block.out = LoRALinear(block.qkv), LoRALinear(block.out)  # type: ignore[assignment]
    return model


def bert() -> nn.Module:
    from transformers import BertConfig, BertForSequenceClassification

    return BertForSequenceClassification(
        BertConfig(
            vocab_size=23, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
            max_position_embeddings=16, num_labels=4,
        )
    )  # fmt: skip


def gpt2() -> nn.Module:
    from transformers import GPT2Config, GPT2LMHeadModel

    return GPT2LMHeadModel(GPT2Config(vocab_size=23, n_embd=16, n_layer=2, n_head=2, n_positions=16, use_cache=False))


def llama() -> nn.Module:
    from transformers import LlamaConfig, LlamaForCausalLM

    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=23, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
            max_position_embeddings=16, use_cache=False,
        )
    )  # fmt: skip


def t5() -> nn.Module:
    from transformers import T5Config, T5ForConditionalGeneration

    return T5ForConditionalGeneration(
        T5Config(
            vocab_size=23, d_model=16, d_kv=8, d_ff=32, num_layers=2, num_heads=2, decoder_start_token_id=0,
            use_cache=False,
        )
    )  # fmt: skip


def vit() -> nn.Module:
    from transformers import ViTConfig, ViTForImageClassification

    return ViTForImageClassification(
        ViTConfig(
            hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, image_size=8,
            patch_size=4, num_labels=5,
        )
    )  # fmt: skip


def labelled_tokens() -> dict[str, Tensor]:
    ids = torch.randint(1, 23, (ROWS, 9))
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": ids.clone()}


def translated() -> dict[str, Tensor]:
    batch = padded()
    return {**batch, "labels": torch.randint(1, 23, (ROWS, 7))}


def labelled_images() -> dict[str, Tensor]:
    pixels, labels = images()
    return {"pixel_values": pixels, "labels": labels}


def keras_on_torch() -> nn.Module:
    """A Keras 3 model; the process must have KERAS_BACKEND=torch before Keras is imported."""
    import keras

    model = keras.Sequential(
        [
            keras.Input((11,)),
            keras.layers.Dense(24, activation="relu"),
            keras.layers.Dense(24, activation="gelu"),
            keras.layers.Dense(5),
        ]
    )
    assert isinstance(model, nn.Module)
    return model


architecture("mlp", mlp, vectors, classify)
architecture("cnn", cnn, images, classify)
architecture("resnet", ResNet, images, classify)
architecture("lstm", LSTMClassifier, padded, classify_named, padding="attention_mask")
architecture("gru", GRURegressor, series, regress)
architecture("encoder", Encoder, padded, classify_named, padding="attention_mask")
architecture("decoder", Decoder, tokens, next_token, causal=True)
architecture("vae", VAE, lambda: torch.randn(ROWS, 11), evidence_bound)
architecture("gan", GAN, lambda: (torch.randn(ROWS, 4), torch.randn(ROWS, 11)), adversarial)
architecture("unet", UNet, noised, denoise)
architecture("gnn", GraphNet, graph, classify_nodes)
architecture("moe", MixtureModel, many_vectors, balanced)
architecture("lora", lora, tokens, next_token, causal=True)
architecture("tied", lambda: Decoder(tied=True), tokens, next_token, causal=True)
architecture("bert", bert, padded, None, ("transformers",))
architecture("gpt2", gpt2, labelled_tokens, None, ("transformers",), causal=True)
architecture("llama", llama, labelled_tokens, None, ("transformers",), causal=True)
architecture("t5", t5, translated, None, ("transformers",))
architecture("vit", vit, labelled_images, None, ("transformers",))
architecture("keras", keras_on_torch, vectors, classify, ("keras",))
