"""A loop that runs on one device or many through Accelerate."""

import torch
import torch.nn.functional as F
from accelerate import Accelerator
from accelerate.utils import set_seed
from torch.utils.data import DataLoader, TensorDataset


def evaluate(accelerator, model, loader):
    model.eval()
    correct, seen = 0, 0
    for features, labels in loader:
        with torch.no_grad():
            predictions = model(features).argmax(dim=-1)
        predictions, labels = accelerator.gather_for_metrics((predictions, labels))
        correct += (predictions == labels).sum()
        seen += labels.numel()
    return (correct / seen).item()


def main():
    accelerator = Accelerator(gradient_accumulation_steps=2, cpu=True)
    set_seed(17)
    model = torch.nn.Sequential(torch.nn.Linear(8, 32), torch.nn.Tanh(), torch.nn.Linear(32, 3))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    data = TensorDataset(torch.randn(128, 8), torch.randint(3, (128,)))
    loader = DataLoader(data, batch_size=16, shuffle=True)
    scheduler = torch.optim.lr_scheduler.LinearLR(optimizer, total_iters=8)
    model, optimizer, loader, scheduler = accelerator.prepare(model, optimizer, loader, scheduler)

    for epoch in range(2):
        model.train()
        for features, labels in loader:
            with accelerator.accumulate(model):
                loss = F.cross_entropy(model(features), labels)
                accelerator.backward(loss)
                if accelerator.sync_gradients:
                    accelerator.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
                scheduler.step()
                optimizer.zero_grad()
        accelerator.print(epoch, evaluate(accelerator, model, loader))

    accelerator.wait_for_everyone()
    unwrapped = accelerator.unwrap_model(model)
    print(sum(p.numel() for p in unwrapped.parameters()))


if __name__ == "__main__":
    main()
