"""Loops that take the samples of a batch one at a time, and the batches of one sample that are made in them.

A sample is what one round takes from the first dimension of an array, a list or a frame: ``x`` of ``for x in X``,
``X[i]`` of ``for i in range(len(X))``, a row of `iterrows`, the argument of a function given to `apply`. A batch of one
is a sample with that dimension put back: ``X[i:i + 1]``, ``x[None]``, ``x.reshape(1, -1)``, ``[x]``. `loop`
sees what the rounds take, `batch` which data a batch of one comes from and how the batch of all samples is written.
"""

