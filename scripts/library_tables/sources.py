"""Which versions of which libraries are read, and how their files come to lie in a folder.

A wheel is downloaded by pip for whatever platform it is small on, and only its Python files are kept: nothing is
installed and nothing of it is ever imported. The folder then holds ``<distribution>/<version>/<package>/...``.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

VERSIONS: dict[str, str] = {
    "numpy": "1.17.5 1.19.5 1.20.3 1.21.1 1.22.4 1.23.5 1.24.4 1.25.2 1.26.4 2.0.2 2.1.3 2.2.6 2.3.5 2.4.6",
    "pandas": "0.25.3 1.1.5 1.2.5 1.3.5 1.4.4 1.5.3 2.0.3 2.1.4 2.2.3 2.3.3 3.0.6 3.1.1",
    "pandas-stubs": "2.3.3.260113 3.1.0.261029",
    "scikit-learn": "0.22.1 0.23.2 0.24.2 1.0.2 1.1.3 1.2.2 1.3.2 1.4.2 1.5.2 1.6.1 1.7.2 1.8.0 1.9.1",
    "torch": "1.8.1 1.10.2 1.13.1 2.0.1 2.2.2 2.4.1 2.6.0 2.8.0 2.10.0 2.13.0 2.14.1",
    "xgboost": "0.90 1.3.3 1.5.2 1.6.2 1.7.6 2.0.3 2.1.4 3.0.5 3.2.0",
    "lightgbm": "2.3.1 3.0.0 3.2.1 3.3.5 4.0.0 4.7.0",
    "jax": "0.4.16 0.4.26 0.4.30 0.4.38 0.5.3 0.6.2 0.7.2 0.8.3 0.9.2 0.10.2 0.12.0.1",
    "flax": "0.3.6 0.6.11 0.8.5 0.10.7 0.12.8",
    "optax": "0.1.0 0.1.9 0.2.0 0.2.4 0.2.8",
    "polars": "0.16.18 0.18.15 0.19.19 0.20.31 1.0.0 1.12.0 1.26.0 1.44.2 2.1.0",
    "keras": "2.6.0 2.9.0 2.12.0 2.15.0 3.0.5 3.3.3 3.8.0 3.15.1",
    "transformers": "4.20.1 4.30.2 4.36.2 4.40.2 4.46.3 4.57.6 5.0.0 5.24.0",
    "scipy": "1.4.1 1.6.1 1.9.3 1.11.4 1.13.1 1.14.1 1.15.3 1.17.1",
    "imbalanced-learn": "0.7.0 0.9.1 0.11.0 0.14.2",
    "dask-ml": "1.9.0 2022.5.27 2025.1.0",
    "dask": "2022.12.1 2023.12.1 2024.8.2 2025.1.0 2026.8.0",
    "distributed": "2022.12.1 2023.12.1 2024.8.2 2025.1.0 2026.8.0",
    "torchvision": "0.9.1 0.13.1 0.15.2 0.20.1 0.28.0",
    "lightning": "2.0.9 2.2.5 2.4.0 2.6.6",
    "accelerate": "0.20.3 0.34.2 1.0.1 1.15.0",
    "torchmetrics": "0.7.3 0.11.4 1.0.3 1.9.0",
    "datasets": "1.18.4 2.14.7 3.6.0 4.8.5 5.2.0",
    "peft": "0.3.0 0.7.1 0.13.2 0.21.2",
    "trl": "0.8.6 0.11.4 0.15.2 0.20.0 0.29.1 1.16.0",
    "tensorflow": "2.8.4 2.12.1 2.15.1 2.16.2 2.18.1 2.21.0",
    "ray": "2.3.1 2.9.3 2.30.0 2.45.0 2.60.0",
    "cudf-cu12": "24.12.0 25.10.0 26.10.2",
    "cuml-cu12": "24.12.0 25.10.0 26.10.0",
}
"""Distribution → the versions that are read, oldest first."""

_PYTHONS = ("3.11", "3.8", "3.7", "3.12", "3.9", "3.6")
_PLATFORMS = ("macosx_14_0_arm64", "macosx_14_0_x86_64", "manylinux_2_28_x86_64", "manylinux2014_x86_64", "any")
_UNREAD = frozenset({"tests", "test", "testing", "_vendor", "benchmarks", "examples", "include"})


def fetch(folder: Path, distributions: tuple[str, ...] | None = None) -> list[str]:
    """Bring the Python files of every version in the list that is not there yet.

    Returns:
        What the index does not offer for any of the platforms and versions of Python that are tried.
    """
    wanted = [
        (name, version)
        for name, versions in VERSIONS.items()
        if distributions is None or name in distributions
        for version in versions.split()
        if not (folder / name / version).is_dir()
    ]
    with ThreadPoolExecutor(3) as pool:
        found = pool.map(lambda item: _fetch_one(folder, *item), wanted)
        return [f"{name} {version}" for (name, version), there in zip(wanted, found) if not there]


def _fetch_one(folder: Path, name: str, version: str) -> bool:
    with tempfile.TemporaryDirectory(prefix="mlint-wheel-", dir=folder) as place:
        for python in _PYTHONS:
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-cache-dir"]
            command += ["--disable-pip-version-check", "--only-binary=:all:", "--python-version", python]
            for platform in _PLATFORMS:
                command += ["--platform", platform]
            done = subprocess.run(
                [*command, "--dest", place, f"{name}=={version}"], capture_output=True, check=False, timeout=600
            )
            if done.returncode == 0:
                break
        wheels = list(Path(place).glob("*.whl"))
        if not wheels:
            return False
        _unpack(wheels[0], Path(place) / "unpacked")
        (folder / name).mkdir(exist_ok=True)
        (Path(place) / "unpacked").rename(folder / name / version)
        return True


def _unpack(wheel: Path, target: Path) -> None:
    """The Python files and stubs of a wheel, without its tests."""
    target.mkdir()
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.namelist():
            parts = member.split("/")
            if len(parts) > 2 and parts[0].endswith(".data") and parts[1] in ("purelib", "platlib"):
                parts = parts[2:]  # where pip puts it
            if member.endswith((".py", ".pyi")) and _UNREAD.isdisjoint(parts[1:-1]) and ".." not in parts:
                place = target.joinpath(*parts)
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(archive.read(member))
