"""Model-agnostic meta-learning: fast weights are tensors with a graph."""

import torch
import torch.nn.functional as F


def forward(weights, x):
    w1, b1, w2, b2 = weights
    return F.linear(torch.relu(F.linear(x, w1, b1)), w2, b2)


def sample_task(generator, n=10):
    amplitude = torch.rand(1, generator=generator) * 4 + 1
    phase = torch.rand(1, generator=generator) * 3
    x = torch.rand(2 * n, 1, generator=generator) * 10 - 5
    y = amplitude * torch.sin(x - phase)
    return (x[:n], y[:n]), (x[n:], y[n:])


def adapt(weights, support, inner_lr=0.01, steps=2):
    x, y = support
    fast = weights
    for _ in range(steps):
        loss = F.mse_loss(forward(fast, x), y)
        grads = torch.autograd.grad(loss, fast, create_graph=True)
        fast = [w - inner_lr * g for w, g in zip(fast, grads)]
    return fast


def main():
    generator = torch.Generator().manual_seed(6)
    shapes = [(40, 1), (40,), (1, 40), (1,)]
    weights = [(0.1 * torch.randn(shape, generator=generator)).requires_grad_() for shape in shapes]
    meta_optimizer = torch.optim.Adam(weights, lr=1e-3)
    for iteration in range(4):
        meta_loss = 0.0
        for _ in range(4):
            support, query = sample_task(generator)
            fast = adapt(weights, support)
            meta_loss = meta_loss + F.mse_loss(forward(fast, query[0]), query[1])
        meta_optimizer.zero_grad()
        (meta_loss / 4).backward()
        meta_optimizer.step()
    print(meta_loss.item() / 4)


if __name__ == "__main__":
    main()
