"""A classifier of sentences in which nothing is wrong."""

import torch
from torch import nn

from data import CLASSES


class Classifier(nn.Module):
    """Embeds, mixes over the positions that are no padding, and classifies."""

    def __init__(self, words=30, width=16):
        super().__init__()
        self.embedding = nn.Embedding(words, width)
        self.query = nn.Linear(width, 1)
        self.body = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 32), nn.GELU(), nn.Linear(32, width))
        self.head = nn.Linear(width, CLASSES)

    def forward(self, words, mask):
        """Logits of the classes."""
        hidden = self.embedding(words)
        hidden = hidden + self.body(hidden)
        scores = self.query(hidden).squeeze(-1).masked_fill(~mask, -1e9)
        pooled = (torch.softmax(scores, dim=-1).unsqueeze(-1) * hidden).sum(dim=1)
        return self.head(pooled)


def loss(output, batch):
    """Cross-entropy with the labels of the batch."""
    return nn.functional.cross_entropy(output, batch["labels"])


def make_optimizer(model):
    """AdamW over everything."""
    return torch.optim.AdamW(model.parameters(), lr=1e-3)


def train_step(model, batch, optimizer):
    """One step, as the training does it."""
    optimizer.zero_grad()
    result = loss(model(batch["words"], batch["mask"]), batch)
    result.backward()
    optimizer.step()
    return result
