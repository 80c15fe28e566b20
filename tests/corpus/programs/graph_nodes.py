"""Semi-supervised node classification with a graph convolution; every epoch is one full batch."""

import torch
from torch import nn
from torch.nn.functional import cross_entropy, dropout


class GraphConvolution(nn.Module):
    def __init__(self, n_in, n_out):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_in, n_out))
        self.bias = nn.Parameter(torch.zeros(n_out))
        nn.init.xavier_uniform_(self.weight)

    def forward(self, x, adjacency):
        return torch.sparse.mm(adjacency, x @ self.weight) + self.bias


class GCN(nn.Module):
    def __init__(self, n_in, n_hidden, n_classes, p=0.5):
        super().__init__()
        self.gc1 = GraphConvolution(n_in, n_hidden)
        self.gc2 = GraphConvolution(n_hidden, n_classes)
        self.p = p

    def forward(self, x, adjacency):
        x = torch.relu(self.gc1(x, adjacency))
        x = dropout(x, self.p, training=self.training)
        return self.gc2(x, adjacency)


def random_graph(n, degree=4):
    a = (torch.rand(n, n) < degree / n).float()
    a = ((a + a.t() + torch.eye(n)) > 0).float()
    return (a / a.sum(1, keepdim=True)).to_sparse()


if __name__ == "__main__":
    torch.manual_seed(12)
    n = 60
    adjacency, features, labels = random_graph(n), torch.randn(n, 8), torch.randint(3, (n,))
    train_mask = torch.arange(n) < 30
    model = GCN(8, 16, 3)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01, weight_decay=5e-4)
    for epoch in range(10):
        model.train()
        optimizer.zero_grad()
        out = model(features, adjacency)
        loss = cross_entropy(out[train_mask], labels[train_mask])
        loss.backward()
        optimizer.step()

    model.eval()
    with torch.no_grad():
        prediction = model(features, adjacency).argmax(dim=1)
    print((prediction[~train_mask] == labels[~train_mask]).float().mean().item())
