"""Gradient accumulation: four micro-batches make one step of the optimizer."""

import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset

ACCUMULATION_STEPS = 4


def build_loader(n=200, batch_size=8):
    features = torch.randn(n, 16)
    targets = features.sum(dim=1, keepdim=True)
    return DataLoader(TensorDataset(features, targets), batch_size=batch_size, shuffle=True)


def train_one_epoch(model, loader, criterion, optimizer, device):
    model.train()
    total = torch.zeros((), device=device)
    optimizer.zero_grad()
    for step, (features, targets) in enumerate(loader):
        features, targets = features.to(device), targets.to(device)
        loss = criterion(model(features), targets)
        total += loss.detach()
        loss = loss / ACCUMULATION_STEPS
        loss.backward()
        if (step + 1) % ACCUMULATION_STEPS == 0 or step + 1 == len(loader):
            torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimizer.step()
            optimizer.zero_grad()
    return total.item() / len(loader)


def main():
    torch.manual_seed(7)
    device = torch.device("cpu")
    model = nn.Sequential(nn.Linear(16, 64), nn.GELU(), nn.Linear(64, 1)).to(device)
    loader = build_loader()
    criterion = nn.MSELoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-2, momentum=0.9, nesterov=True)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=3)
    for epoch in range(3):
        loss = train_one_epoch(model, loader, criterion, optimizer, device)
        scheduler.step()
        print(f"{epoch}: {loss:.4f}")


if __name__ == "__main__":
    main()
