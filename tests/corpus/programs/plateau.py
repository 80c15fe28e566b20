"""Early stopping with ReduceLROnPlateau and a checkpoint from which a run goes on."""

import os
import tempfile

import torch
import torch.nn as nn


class EarlyStopping:
    def __init__(self, patience=3):
        self.patience = patience
        self.best = float("inf")
        self.bad = 0

    def __call__(self, value):
        if value < self.best:
            self.best, self.bad = value, 0
        else:
            self.bad += 1
        return self.bad >= self.patience


def fit(path, epochs=5):
    x, y = torch.randn(128, 10), torch.randn(128, 1)
    x_val, y_val = torch.randn(32, 10), torch.randn(32, 1)
    net = nn.Sequential(nn.Linear(10, 10), nn.ELU(), nn.Linear(10, 1))
    optimizer = torch.optim.NAdam(net.parameters(), lr=1e-2)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=0)
    start = 0
    if os.path.exists(path):
        checkpoint = torch.load(path, weights_only=True)
        net.load_state_dict(checkpoint["net"])
        optimizer.load_state_dict(checkpoint["optimizer"])
        scheduler.load_state_dict(checkpoint["scheduler"])
        start = checkpoint["epoch"] + 1
    stop = EarlyStopping()
    for epoch in range(start, start + epochs):
        net.train()
        for xb, yb in zip(x.split(32), y.split(32)):
            loss = nn.functional.huber_loss(net(xb), yb)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

        net.eval()
        with torch.no_grad():
            val_loss = nn.functional.huber_loss(net(x_val), y_val).item()
        scheduler.step(val_loss)
        torch.save(
            {
                "net": net.state_dict(),
                "optimizer": optimizer.state_dict(),
                "scheduler": scheduler.state_dict(),
                "epoch": epoch,
            },
            path,
        )
        print(epoch, val_loss)
        if stop(val_loss):
            break


if __name__ == "__main__":
    torch.manual_seed(2)
    with tempfile.TemporaryDirectory() as folder:
        fit(os.path.join(folder, "last.pt"))
        fit(os.path.join(folder, "last.pt"))
