"""Hugging Face Transformers on tiny models built from their configuration."""

from __future__ import annotations

import torch
from torch.optim import AdamW
from torch.utils.data import DataLoader, Dataset
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    BertModel,
    GPT2Config,
    GPT2LMHeadModel,
    get_linear_schedule_with_warmup,
)


class TextDataset(Dataset):
    def __init__(self, encodings, labels):
        self.encodings = encodings
        self.labels = labels

    def __getitem__(self, idx):
        item = {key: torch.tensor(val[idx]) for key, val in self.encodings.items()}
        item["labels"] = torch.tensor(self.labels[idx])
        return item

    def __len__(self):
        return len(self.labels)


def _config():
    return BertConfig(
        vocab_size=50, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, num_labels=2
    )


def fine_tune():
    torch.manual_seed(0)
    ids = [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12], [2, 3, 4, 5]]
    data = TextDataset({"input_ids": ids, "attention_mask": [[1] * 4] * 4}, [0, 1, 0, 1])
    loader = DataLoader(data, batch_size=2, shuffle=True)
    model = BertForSequenceClassification(_config())
    optimizer = AdamW(model.parameters(), lr=5e-4)
    scheduler = get_linear_schedule_with_warmup(optimizer, num_warmup_steps=1, num_training_steps=4)
    model.train()
    losses = []
    for batch in loader:
        outputs = model(**batch)
        loss = outputs.loss
        loss.backward()
        optimizer.step()
        scheduler.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    model.eval()
    with torch.no_grad():
        logits = model(input_ids=torch.tensor(ids)).logits
    predictions = torch.argmax(logits, dim=-1)
    return losses, predictions


def generate():
    torch.manual_seed(1)
    config = GPT2Config(vocab_size=40, n_positions=32, n_embd=16, n_layer=1, n_head=2, bos_token_id=0, eos_token_id=1)
    model = GPT2LMHeadModel(config)
    model.eval()
    prompt = torch.tensor([[2, 3, 4]])
    out = model.generate(prompt, max_new_tokens=3, do_sample=False, pad_token_id=1)
    new = out[0, prompt.shape[1] :]
    return new.tolist()


class Pooler(torch.nn.Module):
    def __init__(self, config: BertConfig):
        super().__init__()
        self.bert = BertModel(config)
        self.dropout = torch.nn.Dropout(config.hidden_dropout_prob)
        self.classifier = torch.nn.Linear(config.hidden_size, 3)

    def forward(self, input_ids, attention_mask=None):
        output = self.bert(input_ids=input_ids, attention_mask=attention_mask)
        hidden = output.last_hidden_state
        mask = attention_mask.unsqueeze(-1).float()
        pooled = (hidden * mask).sum(1) / mask.sum(1).clamp(min=1e-9)
        return self.classifier(self.dropout(pooled))


def embed():
    model = Pooler(_config())
    input_ids = torch.randint(2, 50, (2, 6))
    mask = torch.ones_like(input_ids)
    scores = model(input_ids, mask)
    normalized = torch.nn.functional.normalize(scores, dim=1)
    similarity = normalized @ normalized.t()
    return similarity.detach().numpy()
