"""Planted faults in what outputs depend on: MS401 to MS405."""

from __future__ import annotations

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

import torch.nn.functional as F  # noqa: E402
from torch import nn  # noqa: E402

from tests.smoke import architectures as zoo  # noqa: E402
from tests.smoke.checks.planting import Fault, around, cases, check_case, edited, with_loss  # noqa: E402


def fault(name, plant, architectures, codes, also="", **arguments):
    wanted, more = frozenset(codes.split()), frozenset(also.split())
    return Fault(name, plant, tuple(architectures.split()), wanted, more, arguments)


def no_running_statistics(model):
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.track_running_stats = False
            module.running_mean = module.running_var = None


def time_first(model):
    for module in model.modules():
        if isinstance(module, nn.RNNBase):
            module.batch_first = False


class Seeing(zoo.CausalBlock):
    def forward(self, x):
        rows, length, width = x.shape
        q, k, v = (p.view(rows, length, self.heads, -1).transpose(1, 2) for p in self.qkv(self.norm1(x)).chunk(3, -1))
        mixed = F.scaled_dot_product_attention(q, k, v)
        x = x + self.out(mixed.transpose(1, 2).reshape(rows, length, width))
        return x + self.mlp(self.norm2(x))


def unmasked(model):
    for block in model.blocks:
        block.__class__ = Seeing


class Ahead(nn.Module):
    """A shift in the wrong direction in front of the head."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, input_ids, attention_mask=None, labels=None):
        output = self.inner(input_ids, attention_mask=attention_mask, labels=labels)
        output.logits = output.logits + 0.1 * output.logits.roll(-1, 1)
        return output


class PlainMean(zoo.Encoder):
    """Pools over all positions, padded ones too."""

    def forward(self, input_ids, attention_mask):
        hidden = self.embedding(input_ids) + self.position[: input_ids.shape[1]]
        hidden = self.layers(hidden, src_key_padding_mask=attention_mask == 0)
        return self.head(hidden.mean(1))


class LastState(zoo.LSTMClassifier):
    """Reads the state after the padding."""

    def forward(self, input_ids, attention_mask):
        states, _ = self.lstm(self.embedding(input_ids))
        return self.head(states[:, -1] + 0 * attention_mask.sum(1, keepdim=True))


class SeesPadding(nn.Module):
    """Hands no mask on."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, input_ids, attention_mask, labels):
        return self.inner(input_ids, attention_mask=None, labels=labels)


class Squeezed(zoo.GRURegressor):
    def forward(self, series):
        states, _ = self.gru(series)
        return self.head(states.mean(1)).squeeze()


def square_of_output(output, batch):
    return output.square().mean()


class TwoInputs(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x, extra):
        return self.inner(x)


def two_inputs(architecture):
    def batch():
        x, y = architecture.batch()
        return {"x": x, "extra": torch.randn(len(x), 2), "y": y}

    return replace(
        architecture,
        build=lambda: TwoInputs(architecture.build()),
        batch=batch,
        loss=lambda output, batch: architecture.loss(output, (batch["x"], batch["y"])),
    )


def some_ignored(architecture):
    """Targets of different lengths, and a mean over those that count."""

    def batch():
        made = architecture.batch()
        labels = made["labels"] if isinstance(made, dict) else made[1]
        labels = labels.clone()
        for row in range(len(labels)):
            labels[row, 2 + row :] = -100
        return {**made, "labels": labels} if isinstance(made, dict) else (made[0], labels)

    return replace(architecture, batch=batch)


def accumulating(divide):
    def plant(model, batch, optimizer):
        optimizer.zero_grad()
        for index in range(0, zoo.ROWS, 2):
            part = tuple(tensor[index : index + 2] for tensor in batch)
            criterion = F.mse_loss if part[1].is_floating_point() else F.cross_entropy
            loss = criterion(model(part[0]), part[1])
            (loss / 3 if divide else loss).backward()
        optimizer.step()
        return loss

    return plant


def centred(self, x):
    output = self.inner(x)
    return output - output.mean(0)


def weighed_over_batch(self, x):
    return self.inner(x) * 3 * x.flatten(1).mean(1, keepdim=True).softmax(0)


def hard_examples(self, x):
    output = self.inner(x)
    return output * (output.detach() / output.detach().norm())


def reshaped(self, x):
    return self.inner(x.transpose(0, 1).reshape(x.shape))


def positioned(self, x):
    output = self.inner(x)
    return output + 0.1 * torch.arange(len(output), device=x.device).view(-1, *[1] * (output.dim() - 1))


def batch_written_down(self, x):
    return self.inner(x.reshape(zoo.ROWS, *x.shape[1:]))


FAULTS = [
    fault("centred-over-batch", around(centred), "mlp cnn gru", "MS401"),
    fault("softmax-over-batch", around(weighed_over_batch), "mlp cnn resnet", "MS401"),
    fault("batch-statistics-in-eval", edited(no_running_statistics), "cnn resnet", "MS401", "MS302 MS403"),
    fault("time-first", edited(time_first), "gru", "MS401", "MS403"),
    fault("reshape-for-transpose", around(reshaped), "mlp cnn gru", "MS401", "MS403"),
    fault("hard-examples-in-forward", around(hard_examples), "mlp cnn resnet", "MS401"),
    fault("no-causal-mask", edited(unmasked), "decoder lora tied", "MS402"),
    fault("shifted-ahead", edited(Ahead), "gpt2 llama", "MS402"),
    fault("pooled-with-padding", edited(lambda model: PlainMean()), "encoder", "MS402"),
    fault("state-after-padding", edited(lambda model: LastState()), "lstm", "MS402", "MS405"),
    fault("mask-not-handed-on", edited(SeesPadding), "bert", "MS402 MS405"),
    fault("position-in-batch", around(positioned), "mlp cnn gru", "MS403"),
    fault("batch-size-written-down", around(batch_written_down), "mlp cnn resnet gru", "MS403"),
    fault("squeeze-without-axis", edited(lambda model: Squeezed()), "gru", "MS403"),
    fault("squeeze-of-features", around(lambda self, x: self.inner(x.squeeze())), "mlp", "MS403"),
    fault("mean-over-counted-tokens", some_ignored, "decoder tied gpt2 llama", "MS404"),
    fault("loss-not-divided", lambda architecture: architecture, "mlp gru", "MS404", step=accumulating(False)),
    fault("input-not-used", two_inputs, "mlp cnn resnet gru", "MS405"),
    fault("targets-not-used", with_loss(lambda loss: square_of_output), "mlp cnn decoder gru", "MS405"),
]


@pytest.mark.parametrize(("planted", "architecture"), cases(FAULTS))
def test_a_planted_fault_is_found_and_nothing_else(planted, architecture):
    for observation in check_case(planted, architecture):
        assert observation.message
        assert observation.advice
        assert observation.evidence
