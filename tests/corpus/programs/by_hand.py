"""Linear regression without an optimizer: parameters are updated by hand, outside of autograd."""

import torch

torch.manual_seed(0)
x = torch.randn(100, 3)
y = x @ torch.tensor([1.0, -2.0, 0.5]) + 0.3

w = torch.zeros(3, requires_grad=True)
b = torch.zeros((), requires_grad=True)
lr = 0.1
for step in range(50):
    loss = ((x @ w + b - y) ** 2).mean()
    loss.backward()
    with torch.no_grad():
        w -= lr * w.grad
        b -= lr * b.grad
    w.grad.zero_()
    b.grad.zero_()
print(loss.item(), w.tolist())
