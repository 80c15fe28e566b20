"""DistributedDataParallel with gradient accumulation; started by torchrun, or alone for a try."""

import contextlib
import os

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel as DDP
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.data.distributed import DistributedSampler


def setup():
    os.environ.setdefault("MASTER_ADDR", "127.0.0.1")
    os.environ.setdefault("MASTER_PORT", "29511")
    os.environ.setdefault("RANK", "0")
    os.environ.setdefault("WORLD_SIZE", "1")
    dist.init_process_group("gloo")
    return dist.get_rank()


def train_epoch(ddp, loader, optimizer, accumulate):
    ddp.train()
    for step, (x, y) in enumerate(loader):
        last = (step + 1) % accumulate == 0 or step + 1 == len(loader)
        with contextlib.nullcontext() if last else ddp.no_sync():
            loss = nn.functional.cross_entropy(ddp(x), y) / accumulate
            loss.backward()
        if last:
            optimizer.step()
            optimizer.zero_grad()


def mean_loss(ddp, loader):
    ddp.eval()
    total = torch.zeros(2)
    with torch.inference_mode():
        for x, y in loader:
            total[0] += nn.functional.cross_entropy(ddp(x), y, reduction="sum")
            total[1] += y.numel()
    dist.all_reduce(total)
    return (total[0] / total[1]).item()


def main():
    rank = setup()
    torch.manual_seed(11 + rank)
    dataset = TensorDataset(torch.randn(160, 12), torch.randint(5, (160,)))
    sampler = DistributedSampler(dataset, shuffle=True, seed=11)
    loader = DataLoader(dataset, batch_size=16, sampler=sampler)
    model = DDP(nn.Sequential(nn.Linear(12, 32), nn.ReLU(), nn.Linear(32, 5)))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, milestones=[1, 2])
    try:
        for epoch in range(3):
            sampler.set_epoch(epoch)
            train_epoch(model, loader, optimizer, accumulate=2)
            scheduler.step()
            loss = mean_loss(model, loader)
            if rank == 0:
                print(epoch, round(loss, 4))
    finally:
        dist.destroy_process_group()


if __name__ == "__main__":
    main()
