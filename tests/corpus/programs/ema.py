"""Mean teacher: the teacher is a moving average of the student and is never trained itself."""

import copy

import torch
from torch import nn
from torch.nn import functional as F


@torch.no_grad()
def update_ema(ema, model, decay):
    for p_ema, p in zip(ema.parameters(), model.parameters()):
        p_ema.mul_(decay).add_(p, alpha=1 - decay)
    for b_ema, b in zip(ema.buffers(), model.buffers()):
        b_ema.copy_(b)


def build():
    return nn.Sequential(nn.Linear(20, 40), nn.BatchNorm1d(40), nn.ReLU(), nn.Dropout(0.2), nn.Linear(40, 4))


def main(steps=30):
    torch.manual_seed(5)
    student = build()
    teacher = copy.deepcopy(student)
    teacher.requires_grad_(False)
    teacher.eval()
    optimizer = torch.optim.SGD(student.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-4)
    labelled = torch.randn(64, 20), torch.randint(4, (64,))
    for step in range(steps):
        unlabelled = torch.randn(64, 20)
        with torch.no_grad():
            targets = teacher(unlabelled + 0.1 * torch.randn_like(unlabelled)).softmax(dim=-1)
        supervised = F.cross_entropy(student(labelled[0]), labelled[1])
        consistency = F.mse_loss(student(unlabelled).softmax(dim=-1), targets)
        loss = supervised + min(1.0, step / 10) * consistency
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        update_ema(teacher, student, decay=0.99)
    print(f"{supervised.item():.3f} {consistency.item():.5f}")


if __name__ == "__main__":
    main()
