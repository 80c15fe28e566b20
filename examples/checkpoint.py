"""Loading and saving: files left open, and pickles that may run code."""

import json
import os
import tempfile

import numpy as np
import torch

folder = tempfile.mkdtemp()
settings_path = os.path.join(folder, "settings.json")
weights_path = os.path.join(folder, "weights.pt")

out = open(settings_path, "w")
json.dump({"width": 8}, out)
out.close()

settings = json.load(open(settings_path))  # never closed
model = torch.nn.Linear(settings["width"], 2)
torch.save(model.state_dict(), weights_path)
model.load_state_dict(torch.load(weights_path))

mask = np.ones(8, dtype=np.bool)
codes = np.array([1, 2, 3]).astype(np.int)
print(mask.all(), codes)
