"""Weights in bfloat16 under a learning rate that moves them by less than their last bit."""

import torch
from torch import nn

from data import CLASSES


def build():
    """A classifier in bfloat16."""
    return nn.Sequential(nn.Linear(12, 32), nn.ReLU(), nn.Linear(32, CLASSES)).to(torch.bfloat16)


def features():
    """Rows in bfloat16, each with its class."""
    return torch.randn(8, 12, dtype=torch.bfloat16), torch.arange(8) % CLASSES


def make_optimizer(model):
    """SGD with the learning rate of the fp32 runs."""
    return torch.optim.SGD(model.parameters(), lr=1e-5)
