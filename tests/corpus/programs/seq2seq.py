"""Sequence to sequence with padding, teacher forcing and greedy decoding."""

import random

import torch
import torch.nn as nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_sequence
from torch.utils.data import DataLoader

PAD, BOS, EOS = 0, 1, 2


class Encoder(nn.Module):
    def __init__(self, vocab, hidden):
        super().__init__()
        self.embedding = nn.Embedding(vocab, hidden, padding_idx=PAD)
        self.gru = nn.GRU(hidden, hidden, batch_first=True)

    def forward(self, source, lengths):
        packed = pack_padded_sequence(
            self.embedding(source), lengths.cpu(), batch_first=True, enforce_sorted=False
        )
        _, hidden = self.gru(packed)
        return hidden


class Decoder(nn.Module):
    def __init__(self, vocab, hidden):
        super().__init__()
        self.embedding = nn.Embedding(vocab, hidden, padding_idx=PAD)
        self.gru = nn.GRU(hidden, hidden, batch_first=True)
        self.out = nn.Linear(hidden, vocab)

    def forward(self, token, hidden):
        output, hidden = self.gru(self.embedding(token), hidden)
        return self.out(output), hidden


class Seq2Seq(nn.Module):
    def __init__(self, vocab=16, hidden=32):
        super().__init__()
        self.encoder = Encoder(vocab, hidden)
        self.decoder = Decoder(vocab, hidden)

    def forward(self, source, lengths, target, teacher_forcing=0.5):
        hidden = self.encoder(source, lengths)
        token = torch.full((len(source), 1), BOS)
        steps = []
        for t in range(target.size(1)):
            logits, hidden = self.decoder(token, hidden)
            steps.append(logits)
            forced = random.random() < teacher_forcing
            token = target[:, t : t + 1] if forced else logits.argmax(-1).detach()
        return torch.cat(steps, dim=1)

    @torch.no_grad()
    def greedy(self, source, lengths, limit=8):
        hidden = self.encoder(source, lengths)
        token = torch.full((len(source), 1), BOS)
        tokens = []
        for _ in range(limit):
            logits, hidden = self.decoder(token, hidden)
            token = logits.argmax(-1)
            tokens.append(token)
        return torch.cat(tokens, dim=1)


def collate(batch):
    lengths = torch.tensor([len(source) for source, _ in batch])
    sources = pad_sequence([source for source, _ in batch], batch_first=True, padding_value=PAD)
    targets = pad_sequence([target for _, target in batch], batch_first=True, padding_value=PAD)
    return sources, lengths, targets


def main():
    random.seed(0)
    torch.manual_seed(0)
    pairs = []
    for _ in range(64):
        source = torch.randint(3, 16, (random.randint(2, 6),))
        pairs.append((source, torch.cat([source.flip(0), torch.tensor([EOS])])))
    loader = DataLoader(pairs, batch_size=16, shuffle=True, collate_fn=collate)
    model = Seq2Seq()
    criterion = nn.CrossEntropyLoss(ignore_index=PAD)
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for epoch in range(3):
        model.train()
        for source, lengths, target in loader:
            optimizer.zero_grad()
            logits = model(source, lengths, target)
            loss = criterion(logits.flatten(0, 1), target.flatten())
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), max_norm=1.0)
            optimizer.step()
        model.eval()
        source, lengths, target = next(iter(loader))
        print(epoch, loss.item(), model.greedy(source, lengths)[0].tolist())


if __name__ == "__main__":
    main()
