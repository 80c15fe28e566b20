"""Mixed precision with a gradient scaler, gradient clipping and a warm-up of the learning rate."""

import torch
from torch import nn
from torch.amp import GradScaler, autocast
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)

device = "cuda" if torch.cuda.is_available() else "cpu"
use_amp = device == "cuda"

x = torch.randn(512, 32)
y = (x @ torch.randn(32, 4)).argmax(1)
loader = DataLoader(TensorDataset(x, y), batch_size=64, shuffle=True, drop_last=True)

model = nn.Sequential(
    nn.Linear(32, 128),
    nn.BatchNorm1d(128),
    nn.ReLU(inplace=True),
    nn.Linear(128, 4),
).to(device)
criterion = nn.CrossEntropyLoss(label_smoothing=0.1)
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.05)
scaler = GradScaler(device, enabled=use_amp)
warmup = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / 10))

model.train()
for epoch in range(2):
    running = 0.0
    for inputs, targets in loader:
        inputs = inputs.to(device, non_blocking=True)
        targets = targets.to(device, non_blocking=True)
        optimizer.zero_grad(set_to_none=True)
        with autocast(device_type=device, enabled=use_amp):
            logits = model(inputs)
            loss = criterion(logits, targets)
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm=1.0)
        scaler.step(optimizer)
        scaler.update()
        warmup.step()
        running += loss.detach()
    print(f"epoch {epoch}: {(running / len(loader)).item():.4f}, lr {warmup.get_last_lr()[0]:.2e}")
