"""A small U-Net for binary masks, with cross-entropy and soft Dice, validated every epoch."""

import logging

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, Dataset, random_split


class Circles(Dataset):
    def __init__(self, n=48, size=32):
        grid = torch.arange(size).float()
        centre = torch.rand(n, 2) * size
        radius = torch.rand(n) * 8 + 3
        distance = (grid[None, :, None] - centre[:, 0, None, None]) ** 2
        distance = distance + (grid[None, None, :] - centre[:, 1, None, None]) ** 2
        self.masks = (distance < radius[:, None, None] ** 2).float().unsqueeze(1)
        self.images = self.masks + 0.3 * torch.randn(n, 1, size, size)

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return {"image": self.images[index], "mask": self.masks[index]}


class DoubleConv(nn.Module):
    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.double_conv = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(out_channels, out_channels, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
        )

    def forward(self, x):
        return self.double_conv(x)


class UNet(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.down = nn.ModuleList([DoubleConv(1, width), DoubleConv(width, 2 * width)])
        self.bottom = DoubleConv(2 * width, 4 * width)
        self.up = nn.ModuleList(
            [nn.ConvTranspose2d(4 * width, 2 * width, 2, 2), nn.ConvTranspose2d(2 * width, width, 2, 2)]
        )
        self.merge = nn.ModuleList([DoubleConv(4 * width, 2 * width), DoubleConv(2 * width, width)])
        self.out = nn.Conv2d(width, 1, 1)

    def forward(self, x):
        skips = []
        for block in self.down:
            x = block(x)
            skips.append(x)
            x = F.max_pool2d(x, 2)
        x = self.bottom(x)
        for up, merge, skip in zip(self.up, self.merge, reversed(skips)):
            x = merge(torch.cat([up(x), skip], dim=1))
        return self.out(x)


def dice_loss(logits, target, eps=1.0):
    probability = torch.sigmoid(logits)
    overlap = (probability * target).sum(dim=(1, 2, 3))
    size = probability.sum(dim=(1, 2, 3)) + target.sum(dim=(1, 2, 3))
    return (1 - (2 * overlap + eps) / (size + eps)).mean()


@torch.inference_mode()
def evaluate(net, loader, device):
    net.eval()
    score = torch.zeros((), device=device)
    for batch in loader:
        image, mask = batch["image"].to(device), batch["mask"].to(device)
        score += 1 - dice_loss(net(image), mask)
    net.train()
    return score / max(len(loader), 1)


def train_model(net, device, epochs=2, lr=1e-3):
    dataset = Circles()
    train_set, val_set = random_split(dataset, [36, 12], generator=torch.Generator().manual_seed(0))
    train_loader = DataLoader(train_set, shuffle=True, batch_size=6)
    val_loader = DataLoader(val_set, shuffle=False, batch_size=6)
    optimizer = torch.optim.RMSprop(net.parameters(), lr=lr, weight_decay=1e-8, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, "max", patience=5)
    criterion = nn.BCEWithLogitsLoss()
    for epoch in range(epochs):
        net.train()
        for batch in train_loader:
            images = batch["image"].to(device)
            masks = batch["mask"].to(device)
            logits = net(images)
            loss = criterion(logits, masks) + dice_loss(logits, masks)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
        score = evaluate(net, val_loader, device)
        scheduler.step(score)
        logging.info("epoch %d: Dice %.3f", epoch, score)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    torch.manual_seed(0)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    train_model(UNet().to(device), device)
