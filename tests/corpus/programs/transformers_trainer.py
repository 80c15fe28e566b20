"""A tiny causal language model trained with the Trainer of Transformers."""

import tempfile

import torch
from torch.utils.data import Dataset
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments, set_seed


class Blocks(Dataset):
    def __init__(self, n=32, length=16, vocab=64):
        self.tokens = torch.randint(0, vocab, (n, length))

    def __len__(self):
        return len(self.tokens)

    def __getitem__(self, i):
        return {"input_ids": self.tokens[i], "labels": self.tokens[i].clone()}


class SmoothedTrainer(Trainer):
    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        outputs = model(**inputs)
        logits = outputs.logits[:, :-1].flatten(0, 1)
        loss = torch.nn.functional.cross_entropy(logits, inputs["labels"][:, 1:].flatten(), label_smoothing=0.1)
        return (loss, outputs) if return_outputs else loss


def main():
    set_seed(42)
    config = GPT2Config(vocab_size=64, n_positions=32, n_embd=32, n_layer=1, n_head=2, bos_token_id=0, eos_token_id=0)
    model = GPT2LMHeadModel(config)
    with tempfile.TemporaryDirectory() as output:
        args = TrainingArguments(
            output_dir=output,
            max_steps=3,
            per_device_train_batch_size=8,
            learning_rate=5e-4,
            report_to=[],
            save_strategy="no",
            use_cpu=True,
            seed=42,
        )
        SmoothedTrainer(model=model, args=args, train_dataset=Blocks()).train()


if __name__ == "__main__":
    main()
