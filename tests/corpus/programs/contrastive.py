"""SimCLR: two views of each sample, NT-Xent loss, then a linear probe on frozen features."""

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset


class Encoder(nn.Module):
    def __init__(self, dim=32, feature=24, projection=8):
        super().__init__()
        self.backbone = nn.Sequential(nn.Linear(dim, 64), nn.ReLU(), nn.Linear(64, feature))
        self.projector = nn.Sequential(nn.Linear(feature, feature), nn.ReLU(), nn.Linear(feature, projection))

    def forward(self, x):
        h = self.backbone(x)
        return h, F.normalize(self.projector(h), dim=-1)


def nt_xent(z1, z2, temperature=0.5):
    z = torch.cat([z1, z2])
    similarity = z @ z.t() / temperature
    mask = torch.eye(len(z), dtype=torch.bool, device=z.device)
    similarity = similarity.masked_fill(mask, float("-inf"))
    n = len(z1)
    target = torch.cat([torch.arange(n, 2 * n), torch.arange(n)]).to(z.device)
    return F.cross_entropy(similarity, target)


def augment(x):
    return x + 0.1 * torch.randn_like(x)


def pretrain(encoder, loader, epochs=2):
    optimizer = torch.optim.Adam(encoder.parameters(), lr=1e-3, weight_decay=1e-6)
    for epoch in range(epochs):
        total_loss = 0.0
        for x, _ in loader:
            _, z1 = encoder(augment(x))
            _, z2 = encoder(augment(x))
            loss = nt_xent(z1, z2)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total_loss += loss.detach()
        print("pretrain", epoch, f"{total_loss / len(loader):.3f}")


def linear_probe(encoder, loader, classes, epochs=2):
    for p in encoder.parameters():
        p.requires_grad = False
    encoder.eval()
    probe = nn.Linear(24, classes)
    optimizer = torch.optim.SGD(probe.parameters(), lr=0.1)
    for epoch in range(epochs):
        for x, y in loader:
            with torch.no_grad():
                features, _ = encoder(x)
            loss = F.cross_entropy(probe(features), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return probe


if __name__ == "__main__":
    torch.manual_seed(21)
    y = torch.randint(4, (256,))
    x = torch.randn(4, 32)[y] + 0.5 * torch.randn(256, 32)
    loader = DataLoader(TensorDataset(x, y), batch_size=64, shuffle=True, drop_last=True)
    encoder = Encoder()
    pretrain(encoder, loader)
    linear_probe(encoder, loader, classes=4)
