#!/usr/bin/env python
# Transformer encoder for sequence classification, bfloat16 autocast, one-cycle schedule per batch.
import math
import random

import numpy as np
import torch
import torch as th
from torch import nn, optim
from torch.utils.data import DataLoader, Dataset


def seed_all(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed)
    th.manual_seed(seed)


class Sequences(Dataset):
    def __init__(self, n=256, length=24, vocab=50):
        self.tokens = th.randint(1, vocab, (n, length))
        self.labels = (self.tokens.float().mean(1) > vocab / 2).long()

    def __len__(self):
        return len(self.tokens)

    def __getitem__(self, idx):
        return self.tokens[idx], self.labels[idx]


class PositionalEncoding(nn.Module):
    def __init__(self, d_model, max_len=512):
        super().__init__()
        pos = th.arange(max_len).unsqueeze(1)
        div = th.exp(th.arange(0, d_model, 2) * (-math.log(10000.0) / d_model))
        pe = th.zeros(max_len, d_model)
        pe[:, 0::2] = th.sin(pos * div)
        pe[:, 1::2] = th.cos(pos * div)
        self.register_buffer("pe", pe)

    def forward(self, x):
        return x + self.pe[: x.size(1)]


class Classifier(nn.Module):
    def __init__(self, vocab, d_model=32, nhead=4, layers=2, classes=2):
        super().__init__()
        self.embed = nn.Embedding(vocab, d_model)
        self.pos = PositionalEncoding(d_model)
        layer = nn.TransformerEncoderLayer(d_model, nhead, 64, dropout=0.1, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, layers)
        self.head = nn.Linear(d_model, classes)

    def forward(self, tokens):
        h = self.encoder(self.pos(self.embed(tokens)))
        return self.head(h.mean(dim=1))


@th.no_grad()
def accuracy(model, loader):
    was_training = model.training
    model.eval()
    hits = [(model(t).argmax(-1) == y).float().mean() for t, y in loader]
    model.train(was_training)
    return th.stack(hits).mean().item()


if __name__ == "__main__":
    seed_all(42)
    loader = DataLoader(Sequences(), batch_size=32, shuffle=True)
    net = Classifier(vocab=50)
    opt = optim.Adam(net.parameters(), lr=1e-3, betas=(0.9, 0.98))
    EPOCHS = 2
    sched = optim.lr_scheduler.OneCycleLR(opt, max_lr=1e-2, epochs=EPOCHS, steps_per_epoch=len(loader))
    loss_fn = nn.CrossEntropyLoss()
    for epoch in range(EPOCHS):
        for tokens, labels in loader:
            with torch.autocast("cpu", dtype=torch.bfloat16):
                loss = loss_fn(net(tokens), labels)
            opt.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            opt.step()
            sched.step()
        print(epoch, accuracy(net, loader))
