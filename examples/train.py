"""Training a small network with PyTorch: host reads in every step, and gradients that are never zeroed."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

device = "cuda" if torch.cuda.is_available() else "cpu"


class Net(nn.Module):
    """Two layers."""

    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(10, 32)
        self.out = nn.Linear(32, 3)
        self.drop = nn.Dropout(0.1)

    def forward(self, x):
        """Probabilities; the loss below takes logits."""
        return torch.softmax(self.out(self.drop(torch.relu(self.hidden(x)))), dim=-1)


def train(model, loader, epochs=2):
    """Fit the model."""
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    criterion = nn.CrossEntropyLoss()
    for epoch in range(epochs):
        running = 0.0
        for inputs, targets in loader:
            inputs, targets = inputs.to(device), targets.to(device)
            loss = criterion(model(inputs), targets)
            loss.backward()
            optimizer.step()
            running += loss.item()
        print(epoch, running / len(loader))


def evaluate(model, loader):
    """Accuracy."""
    model.eval()
    correct = 0
    for inputs, targets in loader:
        predictions = model(inputs.to(device)).argmax(dim=-1)
        correct += (predictions.cpu() == targets).sum().item()
    return correct / len(loader.dataset)


def freeze(model):
    """Keep the first layer as it is."""
    for parameter in model.hidden.parameters():
        parameter.require_grad = False


if __name__ == "__main__":
    data = TensorDataset(torch.randn(256, 10), torch.randint(0, 3, (256,)))
    net = Net().to(device)
    train(net, DataLoader(data, batch_size=32, shuffle=True))
    print("accuracy", evaluate(net, DataLoader(data, batch_size=64)))
    freeze(net)
