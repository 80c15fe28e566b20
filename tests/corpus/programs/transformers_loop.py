"""Fine-tune an encoder of Transformers by hand, with linear warm-up per step."""

import torch
from torch.optim import AdamW
from torch.utils.data import DataLoader
from transformers import BertConfig, BertForSequenceClassification, get_linear_schedule_with_warmup, set_seed


def collate(batch):
    width = max(len(tokens) for tokens, _ in batch)
    input_ids = torch.zeros(len(batch), width, dtype=torch.long)
    attention_mask = torch.zeros_like(input_ids)
    for row, (tokens, _) in enumerate(batch):
        input_ids[row, : len(tokens)] = tokens
        attention_mask[row, : len(tokens)] = 1
    labels = torch.tensor([label for _, label in batch])
    return {"input_ids": input_ids, "attention_mask": attention_mask, "labels": labels}


def evaluate(model, loader, device):
    model.eval()
    predictions, references = [], []
    for batch in loader:
        batch = {k: v.to(device) for k, v in batch.items()}
        with torch.no_grad():
            logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
        predictions.append(logits.argmax(-1))
        references.append(batch["labels"])
    return (torch.cat(predictions) == torch.cat(references)).float().mean().item()


def main():
    set_seed(0)
    device = torch.device("cuda") if torch.cuda.is_available() else torch.device("cpu")
    config = BertConfig(
        vocab_size=80,
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        num_labels=2,
    )
    model = BertForSequenceClassification(config).to(device)
    samples = [(torch.randint(1, 80, (int(n),)), int(n) % 2) for n in torch.randint(4, 12, (48,))]
    train_loader = DataLoader(samples, batch_size=8, shuffle=True, collate_fn=collate)
    eval_loader = DataLoader(samples[:16], batch_size=8, collate_fn=collate)

    no_decay = ("bias", "LayerNorm.weight")
    named = list(model.named_parameters())
    groups = [
        {"params": [p for n, p in named if not n.endswith(no_decay)], "weight_decay": 0.01},
        {"params": [p for n, p in named if n.endswith(no_decay)], "weight_decay": 0.0},
    ]
    optimizer = AdamW(groups, lr=5e-4)
    epochs = 2
    total_steps = len(train_loader) * epochs
    scheduler = get_linear_schedule_with_warmup(optimizer, num_warmup_steps=2, num_training_steps=total_steps)
    for epoch in range(epochs):
        model.train()
        for batch in train_loader:
            batch = {k: v.to(device) for k, v in batch.items()}
            loss = model(**batch).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            scheduler.step()
            optimizer.zero_grad()
        print(f"epoch {epoch}: accuracy {evaluate(model, eval_loader, device):.2f}")


if __name__ == "__main__":
    main()
