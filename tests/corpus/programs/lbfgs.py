"""Fit a curve with L-BFGS, whose step takes a closure."""

import torch


class Sine(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.amplitude = torch.nn.Parameter(torch.tensor(0.5))
        self.frequency = torch.nn.Parameter(torch.tensor(1.5))
        self.phase = torch.nn.Parameter(torch.zeros(()))

    def forward(self, t):
        return self.amplitude * torch.sin(self.frequency * t + self.phase)


torch.manual_seed(3)
t = torch.linspace(0, 6, 200)
target = 1.3 * torch.sin(2.0 * t + 0.3) + 0.05 * torch.randn(200)

model = Sine()
optimizer = torch.optim.LBFGS(model.parameters(), lr=0.5, max_iter=10, line_search_fn="strong_wolfe")


def closure():
    optimizer.zero_grad()
    loss = torch.nn.functional.mse_loss(model(t), target)
    loss.backward()
    return loss


for iteration in range(5):
    loss = optimizer.step(closure)
    print(iteration, loss.item())

print({name: round(p.item(), 3) for name, p in model.named_parameters()})
