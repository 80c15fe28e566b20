"""PyTorch as tutorials write it."""

from __future__ import annotations

import copy
import math
from collections import defaultdict
from dataclasses import dataclass, field
from functools import partial
from typing import Optional

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor, optim
from torch.utils.data import DataLoader, Dataset, TensorDataset, random_split


class LineDataset(Dataset):
    """Points on a noisy line."""

    def __init__(self, size: int = 64, transform=None):
        generator = torch.Generator().manual_seed(0)
        self.x = torch.randn(size, 1, generator=generator)
        self.y = 3 * self.x + 0.1 * torch.randn(size, 1, generator=generator)
        self.transform = transform

    def __len__(self):
        return len(self.x)

    def __getitem__(self, index):
        x, y = self.x[index], self.y[index]
        if self.transform is not None:
            x = self.transform(x)
        return x, y


class Regressor(nn.Module):
    def __init__(self, hidden: int = 16):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(1, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.Tanh())
        self.head = nn.Linear(hidden, 1)

    def forward(self, x: Tensor) -> Tensor:
        features = self.body(x)
        return self.head(features)


def train_line():
    torch.manual_seed(0)
    data = LineDataset()
    train_set, valid_set = random_split(data, [48, 16])
    train_loader = DataLoader(train_set, batch_size=8, shuffle=True)
    valid_loader = DataLoader(valid_set, batch_size=8)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = Regressor().to(device)
    criterion = nn.MSELoss()
    optimizer = optim.Adam(model.parameters(), lr=1e-2)
    scheduler = optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.5)
    history = []
    for epoch in range(3):
        model.train()
        running = 0.0
        for x, y in train_loader:
            x, y = x.to(device), y.to(device)
            optimizer.zero_grad()
            prediction = model(x)
            loss = criterion(prediction, y)
            loss.backward()
            optimizer.step()
            running += loss.item() * x.size(0)
        scheduler.step()
        model.eval()
        total, count = 0.0, 0
        with torch.no_grad():
            for batch in valid_loader:
                inputs, targets = batch[0].to(device), batch[1].to(device)
                outputs = model(inputs)
                total += F.mse_loss(outputs, targets, reduction="sum").item()
                count += targets.shape[0]
        history.append((running / len(train_set), total / count))
    best = min(history, key=lambda pair: pair[1])
    state = copy.deepcopy(model.state_dict())
    model.load_state_dict(state)
    return best


class ConvNet(nn.Module):
    def __init__(self, channels: int = 3, classes: int = 10):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 8, kernel_size=3, padding=1)
        self.bn1 = nn.BatchNorm2d(8)
        self.conv2 = nn.Conv2d(8, 16, kernel_size=3, padding=1)
        self.bn2 = nn.BatchNorm2d(16)
        self.pool = nn.MaxPool2d(2)
        self.dropout = nn.Dropout(0.25)
        self.fc = nn.Linear(16 * 4 * 4, classes)

    def features(self, x):
        x = self.pool(F.relu(self.bn1(self.conv1(x))))
        x = self.pool(F.relu(self.bn2(self.conv2(x))))
        return x

    def forward(self, x):
        x = self.features(x)
        x = torch.flatten(x, 1)
        x = self.dropout(x)
        return self.fc(x)


def classify_images():
    torch.manual_seed(1)
    images = torch.rand(32, 3, 16, 16)
    labels = torch.randint(0, 10, (32,))
    loader = DataLoader(TensorDataset(images, labels), batch_size=16, shuffle=True, drop_last=True)
    net = ConvNet()
    loss_fn = nn.CrossEntropyLoss(label_smoothing=0.1)
    opt = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
    correct = 0
    for step, (data, target) in enumerate(loader):
        logits = net(data)
        loss = loss_fn(logits, target)
        opt.zero_grad(set_to_none=True)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(net.parameters(), max_norm=1.0)
        opt.step()
        pred = logits.argmax(dim=1, keepdim=True)
        correct += pred.eq(target.view_as(pred)).sum().item()
        probabilities = F.softmax(logits.detach(), dim=-1)
        confidence, index = probabilities.max(dim=-1)
        entropy = -(probabilities * torch.log(probabilities + 1e-9)).sum(dim=1).mean()
    accuracy = 100.0 * correct / len(loader.dataset)
    top = torch.topk(probabilities, k=3, dim=-1)
    values, indices = top.values, top.indices
    return accuracy, float(entropy), norm, confidence, index, values, indices


class SelfAttention(nn.Module):
    def __init__(self, dim: int, heads: int):
        super().__init__()
        assert dim % heads == 0
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)
        self.register_buffer("mask", torch.tril(torch.ones(64, 64)).view(1, 1, 64, 64))

    def forward(self, x):
        b, t, c = x.size()
        q, k, v = self.qkv(x).split(c, dim=2)
        q = q.view(b, t, self.heads, c // self.heads).transpose(1, 2)
        k = k.view(b, t, self.heads, c // self.heads).transpose(1, 2)
        v = v.view(b, t, self.heads, c // self.heads).transpose(1, 2)
        scores = (q @ k.transpose(-2, -1)) * (1.0 / math.sqrt(k.size(-1)))
        scores = scores.masked_fill(self.mask[:, :, :t, :t] == 0, float("-inf"))
        weights = F.softmax(scores, dim=-1)
        y = weights @ v
        y = y.transpose(1, 2).contiguous().view(b, t, c)
        return self.proj(y)


class Block(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.ln1 = nn.LayerNorm(dim)
        self.attention = SelfAttention(dim, heads)
        self.ln2 = nn.LayerNorm(dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))

    def forward(self, x):
        x = x + self.attention(self.ln1(x))
        x = x + self.mlp(self.ln2(x))
        return x


@dataclass
class GPTConfig:
    vocab: int = 50
    block: int = 16
    dim: int = 32
    heads: int = 4
    layers: int = 2
    betas: tuple[float, float] = (0.9, 0.95)
    names: list[str] = field(default_factory=list)


class TinyGPT(nn.Module):
    def __init__(self, config: GPTConfig):
        super().__init__()
        self.config = config
        self.tokens = nn.Embedding(config.vocab, config.dim)
        self.positions = nn.Parameter(torch.zeros(1, config.block, config.dim))
        self.blocks = nn.ModuleList([Block(config.dim, config.heads) for _ in range(config.layers)])
        self.norm = nn.LayerNorm(config.dim)
        self.head = nn.Linear(config.dim, config.vocab, bias=False)
        self.apply(self._init_weights)

    def _init_weights(self, module):
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, mean=0.0, std=0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, mean=0.0, std=0.02)

    def forward(self, ids: Tensor, targets: Optional[Tensor] = None):
        _, t = ids.shape
        x = self.tokens(ids) + self.positions[:, :t]
        for block in self.blocks:
            x = block(x)
        logits = self.head(self.norm(x))
        loss = None
        if targets is not None:
            loss = F.cross_entropy(logits.view(-1, logits.size(-1)), targets.view(-1))
        return logits, loss

    @torch.no_grad()
    def generate(self, ids: Tensor, steps: int, temperature: float = 1.0) -> Tensor:
        for _ in range(steps):
            context = ids if ids.size(1) <= self.config.block else ids[:, -self.config.block :]
            logits, _ = self(context)
            logits = logits[:, -1, :] / temperature
            probs = F.softmax(logits, dim=-1)
            following = torch.multinomial(probs, num_samples=1)
            ids = torch.cat((ids, following), dim=1)
        return ids


def language_model():
    torch.manual_seed(2)
    config = GPTConfig()
    model = TinyGPT(config)
    decay = [p for p in model.parameters() if p.dim() >= 2]
    rest = [p for p in model.parameters() if p.dim() < 2]
    groups = [{"params": decay, "weight_decay": 0.1}, {"params": rest, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=3e-4, betas=config.betas)
    data = torch.randint(0, config.vocab, (200,))
    for _ in range(2):
        starts = torch.randint(len(data) - config.block - 1, (4,))
        x = torch.stack([data[i : i + config.block] for i in starts])
        y = torch.stack([data[i + 1 : i + 1 + config.block] for i in starts])
        logits, loss = model(x, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    sample = model.generate(torch.zeros((1, 1), dtype=torch.long), steps=5)
    total = sum(p.numel() for p in model.parameters() if p.requires_grad)
    return sample[0].tolist(), total, logits


class VAE(nn.Module):
    def __init__(self, inputs=20, latent=4):
        super(VAE, self).__init__()
        self.fc1 = nn.Linear(inputs, 16)
        self.fc21 = nn.Linear(16, latent)
        self.fc22 = nn.Linear(16, latent)
        self.fc3 = nn.Linear(latent, 16)
        self.fc4 = nn.Linear(16, inputs)

    def encode(self, x):
        h1 = F.relu(self.fc1(x))
        return self.fc21(h1), self.fc22(h1)

    def reparameterize(self, mu, logvar):
        std = torch.exp(0.5 * logvar)
        eps = torch.randn_like(std)
        return mu + eps * std

    def decode(self, z):
        h3 = F.relu(self.fc3(z))
        return torch.sigmoid(self.fc4(h3))

    def forward(self, x):
        mu, logvar = self.encode(x.view(-1, 20))
        z = self.reparameterize(mu, logvar)
        return self.decode(z), mu, logvar


def _vae_loss(recon, x, mu, logvar):
    bce = F.binary_cross_entropy(recon, x.view(-1, 20), reduction="sum")
    kld = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
    return bce + kld


def variational_autoencoder():
    torch.manual_seed(3)
    model = VAE()
    optimizer = optim.Adam(model.parameters(), lr=1e-3)
    batch = torch.rand(8, 20)
    for _ in range(2):
        recon_batch, mu, logvar = model(batch)
        loss = _vae_loss(recon_batch, batch, mu, logvar)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        noise = torch.randn(4, 4)
        images = model.decode(noise).cpu().numpy()
    return images.mean(axis=0), images.reshape(-1)


class LSTMTagger(nn.Module):
    def __init__(self, vocab, tags, dim=8, hidden=8):
        super().__init__()
        self.embedding = nn.Embedding(vocab, dim, padding_idx=0)
        self.lstm = nn.LSTM(dim, hidden, batch_first=True, bidirectional=True)
        self.out = nn.Linear(2 * hidden, tags)

    def forward(self, tokens, lengths):
        embedded = self.embedding(tokens)
        packed = nn.utils.rnn.pack_padded_sequence(embedded, lengths, batch_first=True, enforce_sorted=False)
        output, (hidden, cell) = self.lstm(packed)
        padded, _ = nn.utils.rnn.pad_packed_sequence(output, batch_first=True)
        return self.out(padded)


def _collate(samples):
    tokens = [torch.tensor(s["tokens"]) for s in samples]
    tags = [torch.tensor(s["tags"]) for s in samples]
    lengths = torch.tensor([len(t) for t in tokens])
    tokens = nn.utils.rnn.pad_sequence(tokens, batch_first=True)
    tags = nn.utils.rnn.pad_sequence(tags, batch_first=True, padding_value=-1)
    return tokens, tags, lengths


def tag_sequences():
    torch.manual_seed(4)
    sentences = [{"tokens": [1, 2, 3], "tags": [0, 1, 0]}, {"tokens": [4, 5], "tags": [1, 1]}]
    loader = DataLoader(sentences, batch_size=2, collate_fn=_collate)
    model = LSTMTagger(10, 2)
    criterion = nn.CrossEntropyLoss(ignore_index=-1)
    optimizer = optim.RMSprop(model.parameters())
    for tokens, tags, lengths in loader:
        scores = model(tokens, lengths)
        loss = criterion(scores.view(-1, scores.shape[-1]), tags.view(-1))
        loss.backward()
        optimizer.step()
        mask = tags != -1
        hits = (scores.argmax(-1)[mask] == tags[mask]).float()
        accuracy = hits.mean().item()
    return accuracy


def gradients_by_hand():
    x = torch.linspace(-math.pi, math.pi, 100)
    y = torch.sin(x)
    a = torch.randn((), requires_grad=True)
    b = torch.randn((), requires_grad=True)
    c = torch.full((), 0.5, requires_grad=True)
    rate = 1e-6
    for t in range(5):
        y_pred = a + b * x + c * x**2
        loss = (y_pred - y).pow(2).sum()
        loss.backward()
        with torch.no_grad():
            a -= rate * a.grad
            b -= rate * b.grad
            c -= rate * c.grad
            a.grad = None
            b.grad = None
            c.grad = None
    grads = torch.autograd.grad((b * x).sum(), b)
    hidden = [np.asarray(v.detach()) for v in (a, b, c)]
    return grads[0], hidden


class Generator(nn.Module):
    def __init__(self, latent=8, out=16):
        super().__init__()

        def layer(inp, outp, normalize=True):
            layers = [nn.Linear(inp, outp)]
            if normalize:
                layers.append(nn.BatchNorm1d(outp, 0.8))
            layers.append(nn.LeakyReLU(0.2, inplace=True))
            return layers

        self.model = nn.Sequential(*layer(latent, 16, normalize=False), *layer(16, 16), nn.Linear(16, out), nn.Tanh())

    def forward(self, z):
        return self.model(z)


class Discriminator(nn.Module):
    def __init__(self, inp=16):
        super().__init__()
        self.model = nn.Sequential(nn.Linear(inp, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1), nn.Sigmoid())

    def forward(self, x):
        flat = x.view(x.size(0), -1)
        validity = self.model(flat)
        return validity


def adversarial():
    torch.manual_seed(5)
    generator, discriminator = Generator(), Discriminator()
    adversarial_loss = torch.nn.BCELoss()
    optimizer_g = torch.optim.Adam(generator.parameters(), lr=2e-4, betas=(0.5, 0.999))
    optimizer_d = torch.optim.Adam(discriminator.parameters(), lr=2e-4, betas=(0.5, 0.999))
    real = torch.rand(8, 16)
    valid = torch.ones(real.size(0), 1)
    fake = torch.zeros(real.size(0), 1)
    for _ in range(2):
        optimizer_g.zero_grad()
        z = torch.tensor(np.random.normal(0, 1, (real.shape[0], 8)), dtype=torch.float32)
        generated = generator(z)
        g_loss = adversarial_loss(discriminator(generated), valid)
        g_loss.backward()
        optimizer_g.step()
        optimizer_d.zero_grad()
        real_loss = adversarial_loss(discriminator(real), valid)
        fake_loss = adversarial_loss(discriminator(generated.detach()), fake)
        d_loss = (real_loss + fake_loss) / 2
        d_loss.backward()
        optimizer_d.step()
    return g_loss.item(), d_loss.item()


def _evaluate(model: nn.Module, loader: DataLoader, metric=None):
    model.eval()
    outputs, labels = [], []
    with torch.inference_mode():
        for x, y in loader:
            outputs.append(model(x))
            labels.append(y)
    predicted = torch.cat(outputs)
    expected = torch.cat(labels)
    if metric is not None:
        return metric(predicted, expected)
    return (predicted - expected).abs().mean()


def checkpoint_and_evaluate():
    torch.manual_seed(6)
    model = Regressor(4)
    ema = copy.deepcopy(model)
    for parameter in ema.parameters():
        parameter.requires_grad_(False)
    for p_ema, p in zip(ema.parameters(), model.parameters()):
        p_ema.mul_(0.9).add_(p.data, alpha=0.1)
    loader = DataLoader(LineDataset(16), batch_size=4)
    mae = _evaluate(ema, loader)
    mse = _evaluate(model, loader, metric=F.mse_loss)
    meters = defaultdict(list)
    meters["mae"].append(mae.item())
    meters["mse"].append(mse.item())
    named = {name: p.norm() for name, p in model.named_parameters()}
    biggest = max(named.values())
    return meters, biggest


def tensor_tour():
    data = [[1, 2], [3, 4]]
    x_data = torch.tensor(data)
    x_np = torch.from_numpy(np.array(data))
    ones = torch.ones_like(x_data)
    rand = torch.rand_like(x_data, dtype=torch.float)
    joined = torch.cat([ones, x_np], dim=1)
    y1 = rand @ rand.T
    y2 = rand.matmul(rand.T)
    y3 = torch.empty_like(y1)
    torch.matmul(rand, rand.T, out=y3)
    product = rand * rand
    total = product.sum()
    number = total.item()
    first, last = joined[0], joined[..., -1]
    joined[:, 1] = 0
    flags = joined > 1
    chosen = joined[flags]
    where = torch.where(flags, joined, torch.zeros_like(joined))
    order = torch.sort(joined, dim=1, descending=True)
    sorted_values, sorted_index = order
    unique = torch.unique(joined)
    rows, columns = torch.nonzero(flags, as_tuple=True)
    mean, std = rand.mean(dim=0), rand.std(dim=0, keepdim=True)
    scaled = (rand - mean) / (std + 1e-6)
    grid_x, grid_y = torch.meshgrid(torch.arange(3), torch.arange(2), indexing="ij")
    distance = torch.cdist(rand, rand)
    chunks = torch.chunk(torch.arange(10), 3)
    parts = [c.float().mean() for c in chunks]
    stacked = torch.stack(parts)
    outer = torch.einsum("i,j->ij", stacked, stacked)
    shape = outer.shape
    return number, y2, first, last, chosen, where, sorted_values, sorted_index, unique, rows, columns, scaled, shape, (
        grid_x + grid_y
    ), distance


def schedule_and_amp():
    model = nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    warmup = torch.optim.lr_scheduler.LambdaLR(optimizer, lr_lambda=lambda step: min(1.0, (step + 1) / 4))
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    rates = []
    for _ in range(3):
        with torch.autocast(device_type="cpu", dtype=torch.bfloat16):
            out = model(torch.randn(5, 4))
            loss = out.float().pow(2).mean()
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()
        warmup.step()
        rates.append(optimizer.param_groups[0]["lr"])
    weight = model.weight.detach().clone()
    return rates, weight.numpy(), model.bias


class ReplayBuffer:
    def __init__(self, capacity: int, shape: tuple[int, ...]):
        self.states = np.zeros((capacity, *shape), dtype=np.float32)
        self.rewards = np.zeros(capacity, dtype=np.float32)
        self.position = 0
        self.capacity = capacity

    def push(self, state: np.ndarray, reward: float) -> None:
        self.states[self.position % self.capacity] = state
        self.rewards[self.position % self.capacity] = reward
        self.position += 1

    def sample(self, size: int, device: torch.device) -> tuple[Tensor, Tensor]:
        index = np.random.randint(0, min(self.position, self.capacity), size=size)
        states = torch.as_tensor(self.states[index], device=device)
        rewards = torch.as_tensor(self.rewards[index], device=device).unsqueeze(1)
        return states, rewards


def value_learning():
    device = torch.device("cpu")
    buffer = ReplayBuffer(32, (3,))
    policy = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2))
    target = copy.deepcopy(policy)
    make_optimizer = partial(optim.Adam, lr=1e-3)
    optimizer = make_optimizer(policy.parameters())
    state = np.random.rand(3).astype(np.float32)
    for step in range(6):
        with torch.no_grad():
            q = policy(torch.from_numpy(state).unsqueeze(0))
        action = int(q.argmax(dim=1)[0])
        reward = 1.0 if action == 0 else -1.0
        buffer.push(state, reward)
        state = np.clip(state + np.random.normal(0, 0.1, 3), 0, 1).astype(np.float32)
    states, rewards = buffer.sample(4, device)
    q_values = policy(states).gather(1, torch.zeros(4, 1, dtype=torch.int64))
    with torch.no_grad():
        best = target(states).max(1)[0].unsqueeze(1)
    loss = F.smooth_l1_loss(q_values, rewards + 0.99 * best)
    optimizer.zero_grad()
    loss.backward()
    for param in policy.parameters():
        if param.grad is not None:
            param.grad.data.clamp_(-1, 1)
    optimizer.step()
    target.load_state_dict(policy.state_dict())
    return loss
