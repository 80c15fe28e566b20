"""Defects planted into the programs of `programs/`: each is one small replacement in a program that is right."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

PROGRAMS = Path(__file__).parent / "programs"


class Planted(NamedTuple):
    """One defect.

    Attributes:
        program: the program of which a part is replaced.
        what: what is wrong then.
        code: the rule that must say so, and nobody else.
        old: the part; it stands in the program once.
        new: what takes its place.
        at: text of the line on which the finding begins.
        also: a line that goes with it.
    """

    program: str
    what: str
    code: str
    old: str
    new: str
    at: str
    also: str = ""

    @property
    def text(self) -> str:
        """The program with the defect."""
        text = (PROGRAMS / f"{self.program}.py").read_text(encoding="utf-8")
        assert text.count(self.old) == 1, f"{self.program}: {text.count(self.old)} times {self.old!r}"
        assert not self.also or text.count(self.also) == 1
        return text.replace(self.old, self.new).replace(self.also, "")


def _zero(program: str, line: str, at: str) -> Planted:
    return Planted(program, "gradients are never zeroed", "ML401", line, "", at)


PLANTED = (
    # The order of the loop
    _zero("image_classifier", "        optimizer.zero_grad()\n", "loss.backward()"),
    _zero("mixed_precision", "        optimizer.zero_grad(set_to_none=True)\n", "scaler.scale(loss).backward()"),
    _zero("bf16_one_cycle", "            opt.zero_grad()\n", "loss.backward()"),
    _zero("ema", "        optimizer.zero_grad()\n", "loss.backward()"),
    _zero("schedulers", "            opt.zero_grad()\n", "loss.backward()"),
    _zero("transformers_loop", "            optimizer.zero_grad()\n", "loss.backward()"),
    _zero("segmentation", "            optimizer.zero_grad(set_to_none=True)\n", "loss.backward()"),
    _zero("language_model", "        optimizer.zero_grad()\n", "loss.backward()"),
    _zero("vae", "        optimizer.zero_grad()\n", "loss.backward()"),
    _zero("multitask", "        self.optimizer.zero_grad()\n", "loss.backward()"),
    _zero("finetune", "                optimizer.zero_grad()\n", "loss.backward()"),
    _zero("seq2seq", "            optimizer.zero_grad()\n", "loss.backward()"),
    _zero("graph_nodes", "        optimizer.zero_grad()\n", "loss.backward()"),
    _zero("reinforce", "    optimizer.zero_grad()\n", "policy_loss.backward()"),
    Planted(
        "plateau",
        "zeroed between backward and step",
        "ML402",
        "            optimizer.zero_grad()\n            loss.backward()\n",
        "            loss.backward()\n            optimizer.zero_grad()\n",
        "optimizer.zero_grad()",
    ),
    Planted(
        "segmentation",
        "clipped before there are gradients",
        "ML403",
        "            loss.backward()\n            nn.utils.clip_grad_norm_(net.parameters(), 1.0)\n",
        "            nn.utils.clip_grad_norm_(net.parameters(), 1.0)\n            loss.backward()\n",
        "clip_grad_norm_",
    ),
    Planted(
        "language_model",
        "clipped after the step",
        "ML403",
        "        torch.nn.utils.clip_grad_norm_(model.parameters(), clip)\n        optimizer.step()\n",
        "        optimizer.step()\n        torch.nn.utils.clip_grad_norm_(model.parameters(), clip)\n",
        "clip_grad_norm_",
    ),
    Planted(
        "distillation",
        "steps before the gradients are computed",
        "ML403",
        "        loss.backward()\n        optimizer.step()\n",
        "        optimizer.step()\n        loss.backward()\n",
        "optimizer.step()",
    ),
    Planted(
        "bf16_one_cycle",
        "the scheduler steps first",
        "ML404",
        "            opt.step()\n            sched.step()\n",
        "            sched.step()\n            opt.step()\n",
        "sched.step()",
    ),
    Planted(
        "image_classifier",
        "the scheduler steps first",
        "ML404",
        "        train(model, device, train_loader, optimizer, epoch)\n"
        "        acc = test(model, device, test_loader)\n        scheduler.step()\n",
        "        scheduler.step()\n        train(model, device, train_loader, optimizer, epoch)\n"
        "        acc = test(model, device, test_loader)\n",
        "scheduler.step()",
    ),
    # The loss
    Planted(
        "image_classifier",
        "softmax in front of cross_entropy",
        "ML406",
        "        return self.fc(x)\n",
        "        return F.softmax(self.fc(x), dim=1)\n",
        "F.cross_entropy(output, target)",
    ),
    Planted(
        "bf16_one_cycle",
        "softmax in front of cross_entropy",
        "ML406",
        "        return self.head(h.mean(dim=1))\n",
        "        return self.head(h.mean(dim=1)).softmax(dim=-1)\n",
        "loss_fn(net(tokens), labels)",
    ),
    Planted(
        "distillation",
        "the student's probabilities in place of their logarithms",
        "ML406",
        "        F.log_softmax(student_logits / T, dim=1),\n",
        "        F.softmax(student_logits, dim=1),\n",
        "F.kl_div(",
    ),
    Planted(
        "segmentation",
        "sigmoid in front of the loss with logits",
        "ML406",
        "        return self.out(x)\n",
        "        return torch.sigmoid(self.out(x))\n",
        "criterion(logits, masks)",
    ),
    Planted(
        "gan",
        "sigmoid and binary_cross_entropy apart",
        "ML505",
        "        errG = criterion(output, label)\n",
        "        errG = nn.functional.binary_cross_entropy(torch.sigmoid(output), label)\n",
        "binary_cross_entropy",
    ),
    Planted(
        "contrastive",
        "logarithm of softmax",
        "ML501",
        "    return F.cross_entropy(similarity, target)\n",
        "    return F.nll_loss(torch.log(torch.softmax(similarity, dim=1)), target)\n",
        "torch.log(",
    ),
    Planted(
        "dqn",
        "zeroed between backward and step",
        "ML402",
        "        self.optimizer.zero_grad()\n        loss.backward()\n",
        "        loss.backward()\n        self.optimizer.zero_grad()\n",
        "self.optimizer.zero_grad()",
    ),
    Planted(
        "mixed_precision",
        "softmax as the last layer",
        "ML406",
        "    nn.Linear(128, 4),\n",
        "    nn.Linear(128, 4),\n    nn.Softmax(dim=1),\n",
        "criterion(logits, targets)",
    ),
    # Mixed precision
    Planted(
        "mixed_precision",
        "clipped before the gradients are unscaled",
        "ML512",
        "        scaler.unscale_(optimizer)\n",
        "",
        "clip_grad_norm_",
    ),
    Planted(
        "mixed_precision",
        "no autocast",
        "ML206",
        "        with autocast(device_type=device, enabled=use_amp):\n"
        "            logits = model(inputs)\n            loss = criterion(logits, targets)\n",
        "        logits = model(inputs)\n        loss = criterion(logits, targets)\n",
        "scaler = GradScaler(",
        also=", autocast",
    ),
    Planted(
        "mixed_precision",
        "backward under autocast",
        "ML207",
        "            loss = criterion(logits, targets)\n        scaler.scale(loss).backward()\n",
        "            loss = criterion(logits, targets)\n            scaler.scale(loss).backward()\n",
        "scaler.scale(loss).backward()",
    ),
    Planted(
        "mixed_precision",
        "the deprecated scaler",
        "ML803",
        "scaler = GradScaler(device, enabled=use_amp)\n",
        "scaler = torch.cuda.amp.GradScaler(enabled=use_amp)\n",
        "torch.cuda.amp.GradScaler",
    ),
    # Evaluation
    Planted("bf16_one_cycle", "evaluated with gradients", "ML201", "@th.no_grad()\n", "", "model(t)"),
    Planted(
        "transformers_loop",
        "evaluated with gradients",
        "ML201",
        "        with torch.no_grad():\n            logits = model(",
        "        logits = model(",
        "logits = model(",
    ),
    Planted(
        "distillation",
        "no_grad is named and not entered",
        "ML203",
        "        with torch.no_grad():\n            teacher_logits = teacher(x)\n",
        "        torch.no_grad()\n        teacher_logits = teacher(x)\n",
        "torch.no_grad()",
    ),
    Planted(
        "finetune",
        "the best weights are those of the last epoch",
        "ML421",
        "                best_model_wts = deepcopy(model.state_dict())\n",
        "                best_model_wts = model.state_dict()\n",
        "best_model_wts = model.state_dict()",
    ),
    Planted(
        "image_classifier",
        "the best weights are those of the last epoch",
        "ML421",
        "            best_state = copy.deepcopy(model.state_dict())\n",
        "            best_state = model.state_dict().copy()\n",
        "best_state = model.state_dict()",
    ),
    # Parameters
    Planted(
        "finetune",
        "not frozen",
        "ML415",
        "    param.requires_grad = False\n",
        "    param.require_grad = False\n",
        "param.require_grad",
    ),
    Planted(
        "contrastive",
        "not frozen",
        "ML415",
        "    for p in encoder.parameters():\n        p.requires_grad = False\n",
        "    encoder.requires_grad = False\n",
        "encoder.requires_grad",
    ),
    # Memory and time
    Planted(
        "vae",
        "the sum of the losses keeps every graph",
        "ML701",
        "        train_loss += loss.detach()\n",
        "        train_loss += loss\n",
        "train_loss += loss",
    ),
    Planted(
        "contrastive",
        "the sum of the losses keeps every graph",
        "ML701",
        "            total_loss += loss.detach()\n",
        "            total_loss += loss\n",
        "total_loss += loss",
    ),
    Planted(
        "distillation",
        "the list of losses keeps every graph",
        "ML701",
        "        losses.append(loss.detach())\n",
        "        losses.append(loss)\n",
        "losses.append(loss)",
    ),
    Planted(
        "mixed_precision",
        "waits for the device in every step",
        "ML702",
        "        running += loss.detach()\n    print(f\"epoch {epoch}: {(running / len(loader)).item():.4f}",
        "        running += loss.item()\n    print(f\"epoch {epoch}: {running / len(loader):.4f}",
        "loss.item()",
    ),
    Planted(
        "contrastive",
        "anomaly detection is left on",
        "ML705",
        "    torch.manual_seed(21)\n",
        "    torch.manual_seed(21)\n    torch.autograd.set_detect_anomaly(True)\n",
        "set_detect_anomaly",
    ),
    # The rest of a script
    Planted(
        "distributed",
        "the process group is left open",
        "ML216",
        "        dist.destroy_process_group()\n",
        "        print(\"done\")\n",
        "init_process_group",
    ),
    Planted("mixed_precision", "no seed", "ML301", "torch.manual_seed(0)\n", "", "torch.randn(512, 32)"),
    Planted(
        "finetune",
        "the seed is the time",
        "ML320",
        "torch.manual_seed(0)",
        "torch.manual_seed(int(time.time()))",
        "torch.manual_seed",
    ),
    Planted(
        "gan",
        "Variable",
        "ML804",
        "        noise = torch.randn(real.size(0), NZ, 1, 1, device=device)\n",
        "        noise = torch.autograd.Variable(torch.randn(real.size(0), NZ, 1, 1, device=device))\n",
        "Variable(",
    ),
    # Schedules, accumulation, graphs
    Planted(
        "bf16_one_cycle",
        "one cycle is stepped once an epoch",
        "ML405",
        "            opt.step()\n            sched.step()\n",
        "            opt.step()\n        sched.step()\n",
        "sched.step()",
    ),
    Planted(
        "transformers_loop",
        "a schedule of steps is stepped once an epoch",
        "ML405",
        "            optimizer.step()\n            scheduler.step()\n            optimizer.zero_grad()\n",
        "            optimizer.step()\n            optimizer.zero_grad()\n        scheduler.step()\n",
        "scheduler.step()",
    ),
    Planted(
        "plateau",
        "no metric",
        "ML405",
        "        scheduler.step(val_loss)\n",
        "        scheduler.step()\n",
        "scheduler.step()",
    ),
    Planted(
        "accumulation",
        "the loss is not divided",
        "ML408",
        "        loss = loss / ACCUMULATION_STEPS\n",
        "",
        "loss.backward()",
    ),
    Planted(
        "distributed",
        "the loss is not divided",
        "ML408",
        "nn.functional.cross_entropy(ddp(x), y) / accumulate",
        "nn.functional.cross_entropy(ddp(x), y)",
        "loss.backward()",
    ),
    Planted(
        "distillation",
        "a graph is kept for nobody",
        "ML409",
        "        F.cross_entropy(teacher(x), y).backward()\n",
        "        F.cross_entropy(teacher(x), y).backward(retain_graph=True)\n",
        "retain_graph",
    ),
    Planted(
        "mixed_precision",
        "a graph is kept for nobody",
        "ML409",
        "        scaler.scale(loss).backward()\n",
        "        scaler.scale(loss).backward(retain_graph=True)\n",
        "retain_graph",
    ),
    Planted(
        "language_model",
        "the graph of all batches is carried over",
        "ML420",
        "        hidden = repackage_hidden(hidden)\n",
        "",
        "model(data, hidden)",
    ),
    Planted(
        "schedulers",
        "the loss is copied before it goes backward",
        "ML417",
        "            loss.backward()\n",
        "            loss = torch.tensor(loss, requires_grad=True)\n            loss.backward()\n",
        "torch.tensor(loss",
    ),
    Planted(
        "finetune",
        "the loss of predicted classes",
        "ML417",
        "                    loss = criterion(outputs, labels)\n",
        "                    loss = criterion(outputs.argmax(1).float(), labels.float())\n",
        "argmax",
    ),
    Planted(
        "by_hand",
        "updated while the graph is recorded",
        "ML416",
        "    with torch.no_grad():\n        w -= lr * w.grad\n        b -= lr * b.grad\n",
        "    w -= lr * w.grad\n    b -= lr * b.grad\n",
        "w -= lr",
    ),
    # Modules
    Planted(
        "segmentation",
        "forward past the hooks",
        "ML410",
        "        x = self.bottom(x)\n",
        "        x = self.bottom.forward(x)\n",
        "self.bottom.forward(x)",
    ),
    Planted(
        "contrastive",
        "layers before the module",
        "ML411",
        "        super().__init__()\n",
        "",
        "self.backbone = ",
    ),
    Planted(
        "segmentation",
        "layers in a list",
        "ML412",
        "        self.down = nn.ModuleList([DoubleConv(1, width), DoubleConv(width, 2 * width)])\n",
        "        self.down = [DoubleConv(1, width), DoubleConv(width, 2 * width)]\n",
        "self.down",
    ),
    Planted(
        "finetune",
        "the head is replaced after the optimizer was built",
        "ML413",
        "model.fc = nn.Linear(model.fc.in_features, 2)\nmodel = model.to(device)\n",
        "model = model.to(device)\nearly = optim.SGD(model.parameters(), lr=0.01)\n"
        "model.fc = nn.Linear(model.fc.in_features, 2)\nprint(early)\n",
        "model.fc = nn.Linear",
    ),
    Planted(
        "vae",
        "a layer that is made anew in each call",
        "ML414",
        "        mu, logvar = self.encode(x)\n",
        "        mu, logvar = self.encode(nn.Linear(64, 64)(x))\n",
        "nn.Linear(64, 64)(x)",
    ),
    Planted(
        "graph_nodes",
        "drops in evaluation",
        "ML418",
        "dropout(x, self.p, training=self.training)",
        "dropout(x, self.p)",
        "dropout(x, self.p)",
    ),
    Planted(
        "image_classifier",
        "a tensor that stays on the host",
        "ML423",
        "            pred = model(data).argmax(dim=1)\n",
        "            pred = model(data).argmax(dim=1)\n            pred.to(device)\n",
        "pred.to(device)",
    ),
)
