"""Mixed precision, as it was written in 2020."""

import torch
from torch import nn
from torch.cuda.amp import GradScaler, autocast

torch.manual_seed(0)
model = nn.Linear(8, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
scaler = GradScaler()
inputs, targets = torch.randn(16, 8), torch.randn(16, 1)

for step in range(3):
    optimizer.zero_grad()
    with autocast():
        loss = nn.functional.mse_loss(model(inputs), targets)
    scaler.scale(loss).backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    scaler.step(optimizer)
    scaler.update()

print(loss.item())
