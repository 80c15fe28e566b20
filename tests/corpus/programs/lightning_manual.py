"""Lightning with manual optimisation: two optimizers, and gradients that accumulate over two batches."""

import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader


class AdversarialAutoencoder(pl.LightningModule):
    def __init__(self, dim=16, latent=4, accumulate=2):
        super().__init__()
        self.automatic_optimization = False
        self.accumulate = accumulate
        self.encoder = nn.Linear(dim, latent)
        self.decoder = nn.Linear(latent, dim)
        self.critic = nn.Sequential(nn.Linear(latent, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1))

    def training_step(self, batch, batch_idx):
        opt_ae, opt_critic = self.optimizers()
        z = self.encoder(batch)

        self.toggle_optimizer(opt_ae)
        reconstruction = F.mse_loss(self.decoder(z), batch)
        fooled = self.critic(z)
        loss_ae = reconstruction + 0.1 * F.binary_cross_entropy_with_logits(fooled, torch.ones_like(fooled))
        self.manual_backward(loss_ae / self.accumulate)
        if (batch_idx + 1) % self.accumulate == 0:
            opt_ae.step()
            opt_ae.zero_grad()
        self.untoggle_optimizer(opt_ae)

        self.toggle_optimizer(opt_critic)
        real, fake = self.critic(torch.randn_like(z)), self.critic(z.detach())
        loss_critic = F.binary_cross_entropy_with_logits(
            real, torch.ones_like(real)
        ) + F.binary_cross_entropy_with_logits(fake, torch.zeros_like(fake))
        opt_critic.zero_grad()
        self.manual_backward(loss_critic)
        opt_critic.step()
        self.untoggle_optimizer(opt_critic)
        self.log_dict({"ae": loss_ae, "critic": loss_critic})

    def on_train_epoch_end(self):
        for scheduler in self.lr_schedulers():
            scheduler.step()

    def configure_optimizers(self):
        ae = torch.optim.Adam([*self.encoder.parameters(), *self.decoder.parameters()], lr=1e-3)
        critic = torch.optim.Adam(self.critic.parameters(), lr=4e-4)
        schedulers = [torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.99) for optimizer in (ae, critic)]
        return [ae, critic], schedulers


if __name__ == "__main__":
    pl.seed_everything(0)
    loader = DataLoader(torch.randn(64, 16), batch_size=8, shuffle=True)
    trainer = pl.Trainer(
        max_epochs=1,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(AdversarialAutoencoder(), loader)
