"""Knowledge distillation with a temperature."""

import torch
import torch.nn as nn
import torch.nn.functional as F


def kd_loss(student_logits, teacher_logits, labels, T=4.0, alpha=0.7):
    soft = F.kl_div(
        F.log_softmax(student_logits / T, dim=1),
        F.softmax(teacher_logits / T, dim=1),
        reduction="batchmean",
    )
    return alpha * T * T * soft + (1 - alpha) * F.cross_entropy(student_logits, labels)


def fetch(n_batches, batch_size=32):
    for _ in range(n_batches):
        yield torch.randn(batch_size, 16), torch.randint(0, 6, (batch_size,))


def mlp(width):
    return nn.Sequential(nn.Linear(16, width), nn.ReLU(), nn.Dropout(0.1), nn.Linear(width, 6))


def train_teacher(teacher, optimizer, batches):
    teacher.train()
    for x, y in batches:
        optimizer.zero_grad()
        F.cross_entropy(teacher(x), y).backward()
        optimizer.step()


def train_student(student, teacher, optimizer, batches):
    student.train()
    teacher.eval()
    losses = []
    for x, y in batches:
        with torch.no_grad():
            teacher_logits = teacher(x)
        loss = kd_loss(student(x), teacher_logits, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    return torch.stack(losses).mean()


if __name__ == "__main__":
    torch.manual_seed(0)
    big, small = mlp(128), mlp(16)
    train_teacher(big, torch.optim.Adam(big.parameters()), fetch(10))
    optimizer = torch.optim.Adam(small.parameters(), lr=1e-3)
    for _ in range(2):
        print(train_student(small, big, optimizer, fetch(10)))
