"""The bridge that makes the rules importable as ``mlint.rules``, and the only file of its folder.

The rules lie in the folder ``rules`` at the top of the repository, one file each: ``rules/<family>/<behaviour>.py``.
A wheel contains that folder as ``mlint/rules``, and nothing needs to be done. In a checkout, installed as editable or
not installed at all, it is appended to this package's search path. The marker file tells it from any other folder of
that name beside the package, such as a distribution called ``rules`` in the same site-packages.
"""

from __future__ import annotations

import os.path

_CHECKOUT = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "rules")

if os.path.isfile(os.path.join(_CHECKOUT, ".mlint-rules")):
    __path__.append(_CHECKOUT)
