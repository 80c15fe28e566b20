"""Deep Q-learning with a replay buffer and a target network."""

import random
from collections import deque, namedtuple

import torch
import torch.nn.functional as F
from torch import nn

Transition = namedtuple("Transition", "state action reward next_state done")


class QNet(nn.Module):
    def __init__(self, states=4, actions=2):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(states, 64), nn.ReLU(), nn.Linear(64, actions))

    def forward(self, x):
        return self.layers(x)


class Agent:
    def __init__(self, gamma=0.99, tau=0.05):
        self.policy_net = QNet()
        self.target_net = QNet()
        self.target_net.load_state_dict(self.policy_net.state_dict())
        self.target_net.eval()
        self.optimizer = torch.optim.AdamW(self.policy_net.parameters(), lr=1e-3, amsgrad=True)
        self.memory = deque(maxlen=500)
        self.gamma = gamma
        self.tau = tau

    def act(self, state, epsilon):
        if random.random() < epsilon:
            return random.randrange(2)
        with torch.no_grad():
            return self.policy_net(state.unsqueeze(0)).argmax(1).item()

    def optimize_model(self, batch_size=32):
        if len(self.memory) < batch_size:
            return
        batch = Transition(*zip(*random.sample(list(self.memory), batch_size)))
        states = torch.stack(batch.state)
        actions = torch.tensor(batch.action).unsqueeze(1)
        rewards = torch.tensor(batch.reward)
        next_states = torch.stack(batch.next_state)
        alive = 1.0 - torch.tensor(batch.done, dtype=torch.float32)
        q_values = self.policy_net(states).gather(1, actions).squeeze(1)
        with torch.no_grad():
            next_values = self.target_net(next_states).max(1).values
        loss = F.smooth_l1_loss(q_values, rewards + self.gamma * alive * next_values)
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_value_(self.policy_net.parameters(), 100)
        self.optimizer.step()

    def sync_target(self):
        target, policy = self.target_net.state_dict(), self.policy_net.state_dict()
        for key in policy:
            target[key] = self.tau * policy[key] + (1 - self.tau) * target[key]
        self.target_net.load_state_dict(target)


if __name__ == "__main__":
    random.seed(0)
    torch.manual_seed(0)
    agent = Agent()
    for episode in range(3):
        state = torch.randn(4)
        for t in range(30):
            action = agent.act(state, epsilon=0.2)
            next_state = 0.9 * state + 0.1 * torch.randn(4)
            agent.memory.append(Transition(state, action, float(action), next_state, t == 29))
            state = next_state
            agent.optimize_model()
            agent.sync_target()
