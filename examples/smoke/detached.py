"""The representation is detached: a line from the time when it was drawn after each epoch."""

from torch import nn

from good import Classifier as Good


class Classifier(Good):
    """The good classifier, with one line more."""

    def __init__(self):
        super().__init__()
        self.projection = nn.Linear(16, 16)

    def forward(self, words, mask):
        """Logits of the classes."""
        hidden = self.projection(self.embedding(words))
        drawn = hidden.detach()
        weights = mask.unsqueeze(-1) / mask.sum(dim=1).clamp(min=1)[:, None, None]
        return self.head(((drawn + self.body(drawn)) * weights * self.query(drawn).sigmoid()).sum(dim=1))
