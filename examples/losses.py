"""Losses by hand: numerics that lose digits, and then the run."""

import torch
import torch.nn.functional as F

torch.manual_seed(0)


def negative_log_likelihood(logits, targets):
    """Cross-entropy by hand."""
    log_probabilities = torch.log(F.softmax(logits, dim=-1))
    return -log_probabilities.gather(1, targets[:, None]).mean()


def log_partition(energies: torch.Tensor) -> torch.Tensor:
    """Logarithm of the partition function."""
    return torch.log(torch.sum(torch.exp(energies), dim=-1))


def growth(rate: torch.Tensor) -> torch.Tensor:
    """Relative growth over one period."""
    return torch.exp(rate) - 1


def log_return(simple: torch.Tensor) -> torch.Tensor:
    """Logarithmic from simple return."""
    return torch.log(1 + simple)


print(negative_log_likelihood(torch.randn(4, 3) * 80, torch.tensor([0, 1, 2, 0])))
print(log_partition(torch.full((2, 3), 100.0)))
print(growth(torch.tensor([1e-9])), log_return(torch.tensor([1e-9])))
