"""Variational autoencoder with a KL weight that is warmed up."""

import torch
import torch.utils.data
from torch import nn, optim
from torch.nn import functional as F

torch.manual_seed(1)
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")


class VAE(nn.Module):
    def __init__(self):
        super(VAE, self).__init__()
        self.fc1 = nn.Linear(64, 40)
        self.fc21 = nn.Linear(40, 4)
        self.fc22 = nn.Linear(40, 4)
        self.fc3 = nn.Linear(4, 40)
        self.fc4 = nn.Linear(40, 64)

    def encode(self, x):
        h1 = F.relu(self.fc1(x))
        return self.fc21(h1), self.fc22(h1)

    def reparameterize(self, mu, logvar):
        std = torch.exp(0.5 * logvar)
        eps = torch.randn_like(std)
        return mu + eps * std

    def decode(self, z):
        return self.fc4(F.relu(self.fc3(z)))

    def forward(self, x):
        mu, logvar = self.encode(x)
        return self.decode(self.reparameterize(mu, logvar)), mu, logvar


def loss_function(logits, x, mu, logvar, beta):
    reconstruction = F.binary_cross_entropy_with_logits(logits, x, reduction="sum")
    kld = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
    return reconstruction + beta * kld


model = VAE().to(device)
optimizer = optim.Adam(model.parameters(), lr=1e-3)
images = (torch.rand(256, 64) > 0.5).float()
train_loader = torch.utils.data.DataLoader(images, batch_size=64, shuffle=True)


def train(epoch):
    model.train()
    train_loss = 0
    for batch_idx, data in enumerate(train_loader):
        data = data.to(device)
        optimizer.zero_grad()
        logits, mu, logvar = model(data)
        loss = loss_function(logits, data, mu, logvar, beta=min(1.0, epoch / 3))
        loss.backward()
        train_loss += loss.detach()
        optimizer.step()
    print(f"====> Epoch: {epoch} Average loss: {train_loss.item() / len(train_loader.dataset):.4f}")


def sample(n=8):
    model.eval()
    with torch.no_grad():
        z = torch.randn(n, 4, device=device)
        return torch.sigmoid(model.decode(z)).cpu()


if __name__ == "__main__":
    for epoch in range(1, 3):
        train(epoch)
        print(sample().shape)
