"""Loading and saving: files left open, a pickle that may run code, and names that NumPy has removed.

    python checkpoint.py [WEIGHTS]
"""

import json
import os
import sys
import tempfile

import numpy as np
import torch

folder = tempfile.mkdtemp()
settings_path = os.path.join(folder, "settings.json")

out = open(settings_path, "w")
json.dump({"width": 8}, out)
out.close()

settings = json.load(open(settings_path))  # never closed
model = torch.nn.Linear(settings["width"], 2)


def restore(path):
    """Load weights that somebody has sent us."""
    model.load_state_dict(torch.load(path))


if len(sys.argv) > 1:
    restore(sys.argv[1])

mask = np.ones(8, dtype=np.bool)
codes = np.array([1, 2, 3]).astype(np.int)
print(mask.all(), codes)
