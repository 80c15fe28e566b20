"""A causal mask that is off by one: every position sees the next token, which it is to predict."""

import torch
from torch import nn


class Decoder(nn.Module):
    """One layer of causal attention over tokens."""

    def __init__(self, words=20, width=16):
        super().__init__()
        self.embedding = nn.Embedding(words, width)
        self.query, self.key, self.value = nn.Linear(width, width), nn.Linear(width, width), nn.Linear(width, width)
        self.head = nn.Linear(width, words)

    def forward(self, tokens):
        """Logits of the next token at each position."""
        hidden = self.embedding(tokens)
        scores = self.query(hidden) @ self.key(hidden).transpose(1, 2) / hidden.shape[-1] ** 0.5
        later = torch.ones_like(scores, dtype=torch.bool).triu(diagonal=2)
        weights = torch.softmax(scores.masked_fill(later, float("-inf")), dim=-1)
        return self.head(hidden + weights @ self.value(hidden))


def loss(output, batch):
    """Cross-entropy with the next token."""
    return nn.functional.cross_entropy(output[:, :-1].flatten(0, 1), batch[:, 1:].flatten())
