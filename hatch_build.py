"""The build hook that puts the rules and their index into the wheel.

The families of ``rules/`` become sub-packages of ``mlint.rules``; mlint/rules/__init__.py says how a checkout does
without that. A run of mlint reads the index and imports only the rules that it needs. In a checkout the index is made
when it is needed; in a wheel it must be there already, because an installed package cannot write into its own folder.
"""

from __future__ import annotations

import os
import sys
import tempfile
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class RuleIndexHook(BuildHookInterface[Any]):
    """Adds ``mlint/rules/<family>/`` and ``mlint/rules/_index.json`` to the wheel."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Have both included; an editable install keeps to the checkout's own."""
        if version == "editable":
            return
        rules = os.path.join(self.root, "rules")
        for family in sorted(os.listdir(rules)):
            # One by one: the folder itself can contain a checkout's index.
            if os.path.isfile(os.path.join(rules, family, "__init__.py")):
                build_data["force_include"][os.path.join(rules, family)] = f"mlint/rules/{family}"
        self._folder = tempfile.TemporaryDirectory(prefix="mlint-index-")
        path = os.path.join(self._folder.name, "_index.json")
        written = sys.dont_write_bytecode
        sys.path.insert(0, self.root)
        sys.dont_write_bytecode = True  # a build leaves no traces in the source tree
        try:
            from mlint.registry import write_index

            write_index(path)
        finally:
            sys.dont_write_bytecode = written
            sys.path.remove(self.root)
        build_data["force_include"][path] = "mlint/rules/_index.json"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove the temporary file."""
        folder = getattr(self, "_folder", None)
        if folder is not None:
            folder.cleanup()
