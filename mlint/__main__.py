"""``python -m mlint``."""

from __future__ import annotations

from mlint.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
