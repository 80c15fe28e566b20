"""Three schedules side by side: warm-up then cosine, on a plateau, and cyclic."""

import torch
from torch import nn, optim
from torch.optim import lr_scheduler
from torch.utils.data import DataLoader, TensorDataset


def make_data(seed, n=160):
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 6, generator=g)
    return TensorDataset(x, x.pow(2).sum(1, keepdim=True))


def validate(net, loader):
    net.eval()
    loss_fn = nn.MSELoss(reduction="sum")
    with torch.no_grad():
        total = sum(loss_fn(net(x), y).item() for x, y in loader)
    net.train()
    return total / len(loader.dataset)


def run(kind, train_loader, val_loader, epochs=3):
    net = nn.Sequential(nn.Linear(6, 32), nn.SiLU(), nn.Linear(32, 1))
    opt = optim.RMSprop(net.parameters(), lr=1e-3)
    if kind == "cosine":
        warm = lr_scheduler.LinearLR(opt, start_factor=0.1, total_iters=1)
        cosine = lr_scheduler.CosineAnnealingLR(opt, T_max=epochs - 1)
        sched = lr_scheduler.SequentialLR(opt, [warm, cosine], milestones=[1])
    elif kind == "plateau":
        sched = lr_scheduler.ReduceLROnPlateau(opt, mode="min", factor=0.5, patience=1)
    else:
        sched = lr_scheduler.CyclicLR(opt, 1e-4, 1e-2, step_size_up=10, cycle_momentum=False)
    loss_fn = nn.MSELoss()
    for epoch in range(epochs):
        for x, y in train_loader:
            opt.zero_grad()
            loss = loss_fn(net(x), y)
            loss.backward()
            opt.step()
            if kind == "cyclic":
                sched.step()
        val = validate(net, val_loader)
        if kind == "plateau":
            sched.step(val)
        elif kind == "cosine":
            sched.step()
        print(kind, epoch, round(val, 3), opt.param_groups[0]["lr"])


if __name__ == "__main__":
    torch.manual_seed(0)
    train_loader = DataLoader(make_data(0), batch_size=16, shuffle=True)
    val_loader = DataLoader(make_data(1), batch_size=64)
    for kind in ("cosine", "plateau", "cyclic"):
        run(kind, train_loader, val_loader)
