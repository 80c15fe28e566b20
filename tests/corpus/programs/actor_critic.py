"""Advantage actor-critic: two networks on shared features, two backward passes through one graph."""

import torch
from torch import nn
from torch.distributions import Normal


class ActorCritic(nn.Module):
    def __init__(self, obs_dim=5, act_dim=2):
        super().__init__()
        self.shared = nn.Linear(obs_dim, 32)
        self.actor = nn.Linear(32, act_dim)
        self.critic = nn.Linear(32, 1)
        self.log_std = nn.Parameter(torch.zeros(act_dim))

    def forward(self, obs):
        h = torch.tanh(self.shared(obs))
        return Normal(self.actor(h), self.log_std.exp()), self.critic(h).squeeze(-1)


def rollout(model, steps):
    obs = torch.randn(5)
    log_probs, values, rewards = [], [], []
    for _ in range(steps):
        dist, value = model(obs)
        action = dist.sample()
        log_probs.append(dist.log_prob(action).sum(-1))
        values.append(value)
        rewards.append(-action.pow(2).sum())
        obs = torch.randn(5)
    return torch.stack(log_probs), torch.stack(values), torch.stack(rewards)


def discounted(rewards, gamma=0.95):
    out, running = torch.zeros_like(rewards), 0.0
    for t in reversed(range(len(rewards))):
        running = rewards[t] + gamma * running
        out[t] = running
    return out


def main():
    torch.manual_seed(4)
    model = ActorCritic()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for update in range(4):
        log_probs, values, rewards = rollout(model, 16)
        returns = discounted(rewards)
        advantage = returns - values.detach()
        actor_loss = -(log_probs * advantage).mean()
        critic_loss = (returns - values).pow(2).mean()
        optimizer.zero_grad()
        critic_loss.backward(retain_graph=True)
        actor_loss.backward()
        optimizer.step()
        print(update, actor_loss.item())


if __name__ == "__main__":
    main()
