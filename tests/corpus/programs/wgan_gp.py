"""Wasserstein GAN with gradient penalty; the critic takes several steps for one of the generator."""

import torch
from torch import autograd, nn, optim

LAMBDA, CRITIC_STEPS = 10.0, 3


def mlp(n_in, n_out, width=64):
    return nn.Sequential(nn.Linear(n_in, width), nn.LeakyReLU(0.2), nn.Linear(width, n_out))


def gradient_penalty(critic, real, fake):
    alpha = torch.rand(real.size(0), 1, device=real.device)
    mixed = (alpha * real + (1 - alpha) * fake).requires_grad_(True)
    score = critic(mixed)
    (grad,) = autograd.grad(
        outputs=score,
        inputs=mixed,
        grad_outputs=torch.ones_like(score),
        create_graph=True,
        retain_graph=True,
    )
    return ((grad.norm(2, dim=1) - 1) ** 2).mean()


def inf_data(batch_size=64):
    while True:
        yield torch.randn(batch_size, 2) * 0.3 + torch.tensor([1.0, -1.0])


if __name__ == "__main__":
    torch.manual_seed(1)
    generator, critic = mlp(4, 2), mlp(2, 1)
    opt_g = optim.Adam(generator.parameters(), lr=1e-3, betas=(0.5, 0.9))
    opt_c = optim.Adam(critic.parameters(), lr=1e-3, betas=(0.5, 0.9))
    data = inf_data()
    for iteration in range(5):
        for p in critic.parameters():
            p.requires_grad = True
        for _ in range(CRITIC_STEPS):
            real = next(data)
            with torch.no_grad():
                fake = generator(torch.randn(real.size(0), 4))
            opt_c.zero_grad()
            loss_c = critic(fake).mean() - critic(real).mean() + LAMBDA * gradient_penalty(critic, real, fake)
            loss_c.backward()
            opt_c.step()

        for p in critic.parameters():
            p.requires_grad = False
        opt_g.zero_grad()
        loss_g = -critic(generator(torch.randn(64, 4))).mean()
        loss_g.backward()
        opt_g.step()
    print(loss_c.item(), loss_g.item())
