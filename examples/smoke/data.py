"""Batches, a loss and an optimizer that several of the models share."""

import torch
from torch import nn

CLASSES = 4


def features():
    """Rows of numbers, each with its class."""
    return torch.randn(8, 12), torch.arange(8) % CLASSES


def features_in_time():
    """Sequences of rows, each with its class."""
    return torch.randn(8, 6, 12), torch.arange(8) % CLASSES


def tokens():
    """Sequences of tokens."""
    return torch.randint(0, 20, (4, 10))


def sentences():
    """Sequences of tokens of different lengths, with the mask of what is no padding, and their classes."""
    lengths = torch.tensor([10, 7, 9, 4, 10, 6, 8, 5])
    mask = torch.arange(10)[None] < lengths[:, None]
    words = torch.randint(1, 30, (8, 10)) * mask
    return {"words": words, "mask": mask, "labels": torch.arange(8) % CLASSES}


def cross_entropy(output, batch):
    """The loss of a classifier."""
    return nn.functional.cross_entropy(output.float(), batch[1])


def make_optimizer(model):
    """A plain optimizer."""
    return torch.optim.SGD(model.parameters(), lr=0.1)
