"""Two heads with learnt loss weights, parameter groups, and a task per epoch parity for evaluation."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class MultiTaskNet(nn.Module):
    def __init__(self, tasks):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(12, 48), nn.LayerNorm(48), nn.GELU())
        self.heads = nn.ModuleDict({name: nn.Linear(48, width) for name, width in tasks.items()})
        self.log_vars = nn.ParameterDict({name: nn.Parameter(torch.zeros(())) for name in tasks})

    def forward(self, x):
        h = self.trunk(x)
        return {name: head(h) for name, head in self.heads.items()}


class Trainer:
    def __init__(self, model, lr=1e-3):
        self.model = model
        self.optimizer = torch.optim.AdamW(
            [
                {"params": model.trunk.parameters(), "lr": lr / 10},
                {"params": model.heads.parameters()},
                {"params": model.log_vars.parameters(), "weight_decay": 0.0},
            ],
            lr=lr,
        )
        self.losses = {"kind": nn.CrossEntropyLoss(), "size": nn.L1Loss()}

    def compute_loss(self, batch):
        x, kind, size = batch
        outputs = self.model(x)
        targets = {"kind": kind, "size": size.unsqueeze(1)}
        total = 0.0
        for name, loss_fn in self.losses.items():
            log_var = self.model.log_vars[name]
            total = total + torch.exp(-log_var) * loss_fn(outputs[name], targets[name]) + log_var
        return total

    def train_step(self, batch):
        self.optimizer.zero_grad()
        loss = self.compute_loss(batch)
        loss.backward()
        self.optimizer.step()
        return loss.detach()

    @torch.no_grad()
    def evaluate(self, loader):
        self.model.eval()
        losses = [self.compute_loss(batch) for batch in loader]
        self.model.train()
        return torch.stack(losses).mean().item()

    def fit(self, train_loader, val_loader, epochs):
        history = []
        for epoch in range(epochs):
            losses = []
            for batch in train_loader:
                losses.append(self.train_step(batch))
            history.append((torch.stack(losses).mean().item(), self.evaluate(val_loader)))
        return history


def main():
    torch.manual_seed(8)
    x = torch.randn(192, 12)
    data = TensorDataset(x, (x[:, 0] > 0).long() + (x[:, 1] > 0).long(), x.norm(dim=1))
    train_loader = DataLoader(data, batch_size=32, shuffle=True)
    trainer = Trainer(MultiTaskNet({"kind": 3, "size": 1}))
    print(trainer.fit(train_loader, DataLoader(data, batch_size=64), epochs=2))


if __name__ == "__main__":
    main()
