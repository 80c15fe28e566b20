"""Pairs whose distance is trained: the norm of a difference that is exactly zero has no gradient."""

import torch
from torch import nn


class Pairs(nn.Module):
    """Embeds both sides of each pair."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Linear(6, 4)

    def forward(self, left, right):
        """The distance of each pair."""
        return (self.embedding(left) - self.embedding(right)).square().sum(dim=-1).sqrt()


def pairs():
    """Pairs, of which one is a sample with itself, as it happens when pairs are drawn at random."""
    left, right = torch.randn(8, 6), torch.randn(8, 6)
    right[3] = left[3]
    return left, right, torch.arange(8) % 2


def loss(output, batch):
    """Contrastive loss with margin 1."""
    same = batch[2].to(output.dtype)
    return (same * output.square() + (1 - same) * (1 - output).clamp(min=0).square()).mean()
