"""What mlint costs, as ratios measured side by side on the same files in one run.

    python scripts/bench.py                        the packages of PACKAGES, three rounds
    python scripts/bench.py --rounds 5 trl timm    other packages, or folders (with a slash), and more rounds
    python scripts/bench.py --only cold,small      some of the measurements
    python scripts/bench.py --json out.json        the figures as JSON too

Every contender is a process of its own, and the contenders take turns: round by round, so that a machine that grows
slower or faster in between does so for all of them. Of the rounds the least time counts. Processor time is what the
ratios are made of, because it does not depend on what else the machine does; the time on the clock stands beside it.

The floor is what no linter that reads `ast` can do without: read each file and parse it, with the garbage collector
paused and in as many processes. Other tools are installed into environments of their own under the cache folder.

The exit code is 1 when a budget is exceeded, 2 when something cannot be measured, else 0.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

PACKAGES = (
    "accelerate",
    "optax",
    "peft",
    "pytorch-lightning",
    "scikit-learn",
    "sentence-transformers",
    "stable-baselines3",
    "tianshou",
    "timm",
    "trl",
)
TORCHFIX = "torchfix==0.7.0"
TORCHFIX_FILES = 30  # at one to two seconds a file
TOOLS = ("flake8", "ruff", "libcst>=1.8.6", "pathspec")

FLOOR = """
import ast, gc, multiprocessing, sys, warnings
gc.disable()
warnings.simplefilter("ignore")
def parse(path):
    with open(path, "rb") as file:
        data = file.read()
    try:
        ast.parse(data)
    except (SyntaxError, ValueError):
        pass
if __name__ == "__main__":
    paths = open(sys.argv[1], encoding="utf-8").read().split("\\n")
    jobs = int(sys.argv[2])
    if jobs == 1:
        for path in paths:
            parse(path)
    else:
        with multiprocessing.get_context("fork").Pool(jobs) as pool:
            pool.map(parse, paths, chunksize=max(1, len(paths) // (jobs * 8)))
"""

SMALL = '''"""A small training script."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Net(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(16, width), nn.ReLU(), nn.Linear(width, 3))

    def forward(self, x):
        return torch.log(torch.softmax(self.layers(x), dim=-1))


def evaluate(model, loader):
    model.eval()
    right = 0
    for x, y in loader:
        right += (model(x).argmax(-1) == y).sum().item()
    return right / len(loader.dataset)


def main() -> None:
    data = TensorDataset(torch.randn(512, 16), torch.randint(0, 3, (512,)))
    loader = DataLoader(data, batch_size=32, shuffle=True)
    model = Net(64)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for epoch in range(3):
        for x, y in loader:
            loss = nn.functional.nll_loss(model(x), y)
            loss.backward()
            optimizer.step()
            print(epoch, loss.item())
    print(evaluate(model, loader))


if __name__ == "__main__":
    main()
'''

MODULE = '''"""Module INDEX of a project."""

import random

import numpy as np
import torch
from torch import nn


class BlockINDEX(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.layers = nn.ModuleList([nn.Linear(width, width) for _ in range(4)])

    def forward(self, x):
        for layer in self.layers:
            x = x + torch.relu(layer(self.norm(x)))
        return x


def prepareINDEX(seed):
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def stepINDEX(model, optimizer, x, y):
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
    return loss.item()


def fitINDEX(model, optimizer, loader):
    total = 0.0
    for x, y in loader:
        total += stepINDEX(model, optimizer, x, y)
    return total / len(loader)


def standardINDEX(table):
    table = table - table.mean(axis=0)
    return table / (table.std(axis=0) + 1e-8)
'''

LOADED = """
import sys
from mlint.cli import main
try:
    main(sys.argv[1:])
except SystemExit:
    pass
print("\\n@@" + " ".join(sys.modules))
"""


class NotMeasuredError(Exception):
    """A contender cannot be run; the message says which and why."""


@dataclass
class Cost:
    """The least that some rounds took."""

    cpu: float = math.inf
    """Seconds of processor time, of the process and all that it started."""
    wall: float = math.inf
    """Seconds on the clock."""
    memory: float = math.inf
    """MiB of the largest process."""

    def least(self, other: Cost) -> None:
        """Take over what is less in another round."""
        self.cpu = min(self.cpu, other.cpu)
        self.wall = min(self.wall, other.wall)
        self.memory = min(self.memory, other.memory)


@dataclass(frozen=True)
class Contender:
    """A command that is measured; ``before`` puts things as they must be for each round."""

    name: str
    command: tuple[str, ...]
    variables: Mapping[str, str] = field(default_factory=dict)
    accepted: tuple[int, ...] = (0, 1)
    before: Callable[[], None] | None = None


@dataclass(frozen=True)
class Verdict:
    """One row of the table of budgets."""

    what: str
    value: float
    unit: str
    budget: float
    detail: str

    @property
    def kept(self) -> bool:
        """Whether the value is within the budget."""
        return self.value <= self.budget


class Bench:
    """The machine, the files and the environments that all measurements share."""

    def __init__(self, scratch: Path, cache: Path, jobs: int, rounds: int) -> None:
        self.scratch = scratch
        self.cache = cache
        self.jobs = jobs
        self.rounds = rounds
        self.verdicts: list[Verdict] = []
        self.costs: dict[str, dict[str, Cost]] = {}
        self.notes: list[str] = []
        self.floor = scratch / "floor.py"
        self.floor.write_text(FLOOR, encoding="utf-8")

    # ------------------------------------------------------------------------------------------------------ running

    def once(self, contender: Contender) -> Cost:
        """Run a contender one time.

        Raises:
            NotMeasuredError: it ended with an exit code that is no answer.
        """
        if contender.before is not None:
            contender.before()
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "MLINT_"))}
        log = self.scratch / "log.txt"
        with open(log, "wb") as output:
            started = time.perf_counter()
            process = subprocess.Popen(
                contender.command,
                cwd=self.scratch,
                env={**clean, **contender.variables},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            _, status, usage = os.wait4(process.pid, 0)
            wall = time.perf_counter() - started
        code = process.returncode = os.waitstatus_to_exitcode(status)
        if code not in contender.accepted:
            tail = log.read_text(encoding="utf-8", errors="replace")[-2000:]
            raise NotMeasuredError(f"{contender.name} ended with exit code {code}:\n{tail}")
        divisor = 2**20 if sys.platform == "darwin" else 2**10
        return Cost(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / divisor)

    def race(
        self, title: str, contenders: Sequence[Contender], rounds: int | None = None, *, lap: bool = True
    ) -> dict[str, Cost]:
        """Let the contenders take turns, after a lap that does not count, and print what each took at least."""
        print(f"\n{title}", flush=True)
        costs = {contender.name: Cost() for contender in contenders}
        for contender in contenders if lap else ():
            self.once(contender)
        for _ in range(rounds or self.rounds):
            for contender in contenders:
                costs[contender.name].least(self.once(contender))
        first = next(iter(costs.values()))
        print(f"  {'':34}{'CPU s':>10}{'clock s':>10}{'MiB':>8}{'ratio':>10}")
        for name, cost in costs.items():
            ratio = cost.cpu / first.cpu
            print(f"  {name:34}{cost.cpu:10.3f}{cost.wall:10.3f}{cost.memory:8.0f}{ratio:10.2f}", flush=True)
        self.costs[title] = costs
        return costs

    def judge(self, what: str, value: float, budget: float, unit: str = "×", detail: str = "") -> None:
        """Hold a value against its budget."""
        self.verdicts.append(Verdict(what, value, unit, budget, detail))

    # --------------------------------------------------------------------------------------------------- contenders

    def parse(self, files: Sequence[Path], jobs: int) -> Contender:
        """The floor."""
        listing = self.listing(files)
        return Contender(f"ast.parse ({len(files)} files)", (sys.executable, str(self.floor), str(listing), str(jobs)))

    def mlint(self, name: str, arguments: Sequence[str | Path], *, jobs: int, checkout: Path = ROOT) -> Contender:
        """Mlint, without configuration and with the report going nowhere."""
        flags = ("--isolated", "--exit-zero", "--output-format", "concise", "--output-file", os.devnull)
        command = (sys.executable, "-m", "mlint", *flags, "--jobs", str(jobs), *map(str, arguments))
        return Contender(name, command, {"PYTHONPATH": str(checkout)}, accepted=(0,))

    def listing(self, files: Sequence[Path]) -> Path:
        """A file with the paths, one a line."""
        path = self.scratch / f"files-{abs(hash(tuple(files)))}.txt"
        path.write_text("\n".join(map(str, files)), encoding="utf-8")
        return path

    def environment(self, name: str, requirements: Sequence[str]) -> Path:
        """The folder of the commands of an environment in the cache; made when it is not there.

        Raises:
            NotMeasuredError: the requirements cannot be installed.
        """
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        folder = self.cache / f"{name}-{version}"
        commands = folder / "bin"
        if not (folder / ".complete").exists():
            print(f"installing {', '.join(requirements)} into {folder}", flush=True)
            shutil.rmtree(folder, ignore_errors=True)
            venv.create(folder, with_pip=True)
            done = subprocess.run(
                [commands / "python", "-m", "pip", "install", "--quiet", *requirements],
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                raise NotMeasuredError(f"{name} cannot be installed:\n{done.stderr[-1000:]}")
            (folder / ".complete").touch()
        return commands


def copies(folders: Sequence[Path], to: Path, limit: int | None = None) -> list[Path]:
    """Copy the Python files of some folders, with the layout that imports need; the copies, in order."""
    made: list[Path] = []
    for folder in folders:
        for path in sorted(folder.rglob("*.py")):
            if limit is not None and len(made) >= limit:
                return made
            target = to / folder.name / path.relative_to(folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
            made.append(target)
    return made


def doubled_checkout(to: Path) -> tuple[Path, int]:
    """A copy of mlint in which every rule stands twice, the second time under another code and name."""
    for name in ("mlint", "rules"):
        shutil.copytree(ROOT / name, to / name, ignore=shutil.ignore_patterns("__pycache__", "_index.json", ".*cache"))
    count = 0
    for path in sorted((to / "rules").glob("*/*.py")):
        if path.name == "__init__.py":
            continue
        text = path.read_text(encoding="utf-8")
        again = re.sub(r'(["\'])ML(\d{3})\1', r"\1MZ\2\1", text)
        again = re.sub(
            r"(\bname\b[^\n=]*=\s*(?:[\"']MZ\d{3}[\"'],\s*)?[\"'])([a-z0-9-]+)([\"'])", r"\1\2-again\3", again, count=1
        )
        if again != text:
            path.with_name(f"{path.stem}_again.py").write_text(again, encoding="utf-8")
            count += 1
    return to, count


# ------------------------------------------------------------------------------------------------------- measurements


def measure_cold(bench: Bench, tree: Path, files: Sequence[Path]) -> None:
    """Many files, nothing cached: against the floor, and again with every rule doubled."""
    checkout, count = doubled_checkout(bench.scratch / "doubled")
    cold, twice = "mlint cold", f"mlint with {count} rules doubled"
    jobs = bench.jobs
    floor = bench.parse(files, jobs)
    contenders = [
        floor,
        bench.mlint(cold, ["--no-cache", tree], jobs=jobs),
        bench.mlint(twice, ["--no-cache", tree], jobs=jobs, checkout=checkout),
    ]
    costs = bench.race(f"Cold, {len(files)} files, {jobs} processes", contenders)
    least = costs[floor.name]
    bench.judge(
        "cold run over many files / ast.parse", costs[cold].cpu / least.cpu, 2.0,
        detail=f"on the clock {costs[cold].wall / least.wall:.2f} ×",
    )  # fmt: skip
    bench.judge(
        "twice as many rules", costs[twice].cpu / costs[cold].cpu, 1.05,
        detail=f"on the clock {costs[twice].wall / costs[cold].wall:.2f} ×",
    )  # fmt: skip
    bench.judge("peak memory per process", costs[cold].memory, 200, " MiB")


def measure_warm(bench: Bench, tree: Path, files: Sequence[Path]) -> None:
    """Nothing changed since the last run."""
    cold_cache, warm_cache = bench.scratch / "cold-cache", bench.scratch / "warm-cache"

    def forget() -> None:
        shutil.rmtree(cold_cache, ignore_errors=True)

    cold = bench.mlint("mlint cold, writes the cache", ["--cache-dir", cold_cache, tree], jobs=bench.jobs)
    cold = Contender(cold.name, cold.command, cold.variables, cold.accepted, forget)
    warm = bench.mlint("mlint warm", ["--cache-dir", warm_cache, tree], jobs=bench.jobs)
    costs = bench.race(f"Warm, {len(files)} files, {bench.jobs} processes", [cold, warm])
    bench.judge(
        "warm run / cold run", costs[warm.name].cpu / costs[cold.name].cpu, 1 / 3,
        detail=f"on the clock {costs[warm.name].wall / costs[cold.name].wall:.2f} ×",
    )  # fmt: skip
    seconds = costs[warm.name].wall * 500 / len(files) if len(files) > 500 else costs[warm.name].wall
    bench.judge("warm run, seconds for 500 files", seconds, 0.25, " s", f"CPU {costs[warm.name].cpu:.2f} s")


def measure_torchfix(bench: Bench, files: Sequence[Path]) -> None:
    """TorchFix on the files that name torch; a sample, because it is slow."""
    commands = bench.environment("torchfix", [TORCHFIX])
    torch = [path for path in files if re.search(rb"\btorch\b", path.read_bytes())]
    sample = torch[:: max(1, len(torch) // TORCHFIX_FILES)][:TORCHFIX_FILES]
    mlint = bench.mlint("mlint", ["--no-cache", *sample], jobs=bench.jobs)
    command = (str(commands / "torchfix"), "--select", "ALL", "-j", str(bench.jobs), *map(str, sample))
    torchfix = Contender("TorchFix", command)
    title = f"TorchFix, {len(sample)} files that name torch, {bench.jobs} processes"
    costs = bench.race(title, [mlint, torchfix], 1, lap=False)
    bench.judge(
        "mlint / TorchFix", costs["mlint"].cpu / costs["TorchFix"].cpu, 1 / 50,
        detail=f"1/{costs['TorchFix'].cpu / costs['mlint'].cpu:.0f}; on the clock "
        f"1/{costs['TorchFix'].wall / costs['mlint'].wall:.0f}",
    )  # fmt: skip


def measure_flake8(bench: Bench, files: Sequence[Path]) -> None:
    """flake8 with the plugin against flake8 without it."""
    commands = bench.environment("tools", TOOLS)
    sample = files[:: max(1, len(files) // 200)][:200]
    plain, plugged = bench.scratch / "plain.cfg", bench.scratch / "plugged.cfg"
    plain.write_text("[flake8]\n", encoding="utf-8")
    plugged.write_text(
        f"[flake8]\n\n[flake8:local-plugins]\nextension =\n  ML = mlint.flake8:Plugin\npaths = {ROOT}\n",
        encoding="utf-8",
    )

    def flake8(name: str, config: Path) -> Contender:
        command = (str(commands / "flake8"), "--config", str(config), "-j", "1", "-q", "--exit-zero", *map(str, sample))
        return Contender(name, command, accepted=(0,))

    contenders = [flake8("flake8", plain), flake8("flake8 with the plugin", plugged)]
    costs = bench.race(f"flake8, {len(sample)} files, 1 process", contenders)
    without, with_plugin = costs["flake8"], costs["flake8 with the plugin"]
    bench.judge(
        "flake8 with the plugin / without", with_plugin.cpu / without.cpu, 1.10,
        detail=f"on the clock {with_plugin.wall / without.wall:.2f} ×",
    )  # fmt: skip


def measure_ruff(bench: Bench, tree: Path, files: Sequence[Path]) -> None:
    """Ruff's rules for NumPy, pandas and performance: no budget, but good to know."""
    commands = bench.environment("tools", TOOLS)
    command = (str(commands / "ruff"), "check", "--isolated", "--no-cache", "--quiet", "--select", "NPY,PD,PERF")
    ruff = Contender("Ruff NPY+PD+PERF", (*command, str(tree)))
    mlint = bench.mlint("mlint cold", ["--no-cache", tree], jobs=bench.jobs)
    bench.race(f"Ruff, {len(files)} files", [ruff, mlint])


def measure_small(bench: Bench) -> None:
    """One small file from the command line: processor time, and what is imported."""
    path = bench.scratch / "small.py"
    path.write_text(SMALL, encoding="utf-8")
    bare = Contender("python -c pass", (sys.executable, "-c", "pass"))
    mlint = bench.mlint("mlint small.py", ["--no-cache", path], jobs=1)
    warm = bench.mlint("mlint small.py, warm", ["--cache-dir", bench.scratch / "small-cache", path], jobs=1)
    costs = bench.race("One small file", [bare, mlint, warm], max(10, bench.rounds))
    bench.judge(
        "one small file, CPU",
        costs[mlint.name].cpu,
        0.10,
        " s",
        f"of it {costs[bare.name].cpu:.3f} s Python's own start",
    )
    done = subprocess.run(
        [sys.executable, "-c", LOADED, "--isolated", "--no-cache", "--exit-zero", str(path)],
        cwd=bench.scratch, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    modules = set(done.stdout.rpartition("@@")[2].split())
    if "mlint.engine" not in modules:
        raise NotMeasuredError(f"the list of imported modules cannot be had:\n{done.stderr[-1000:]}")
    heavy = sorted(modules & {"libcst", "torch", "numpy", "tensorflow", "jax", "pandas", "sklearn"})
    bench.judge(
        "heavy modules imported for it", len(heavy), 0, "", ", ".join(heavy) or f"{len(modules)} modules in all"
    )


def many_files(folder: Path, count: int, imported: int) -> tuple[Path, list[Path]]:
    """Write a project of ``count`` modules, and a program in it that imports and calls some of them.

    Returns the program and the modules that it imports.
    """
    package = folder / "project"
    for index in range(count):
        place = package / f"part{index // 50}"
        place.mkdir(parents=True, exist_ok=True)
        (place / "__init__.py").touch()
        (place / f"module{index}.py").write_text(MODULE.replace("INDEX", str(index)), encoding="utf-8")
    (package / "__init__.py").touch()
    chosen = [index * (count // imported) for index in range(imported)]
    lines = [f"from project.part{index // 50}.module{index} import fit{index}, prepare{index}" for index in chosen]
    calls = [f"    prepare{index}(0)\n    fit{index}(model, optimizer, loader)\n" for index in chosen]
    program = folder / "program.py"
    body = SMALL.replace("    print(evaluate(model, loader))\n", "".join(calls))
    program.write_text("\n".join(lines) + "\n" + body, encoding="utf-8")
    return program, [package / f"part{index // 50}" / f"module{index}.py" for index in chosen]


def measure_one_of_many(bench: Bench, count: int = 2000, imported: int = 8) -> None:
    """One file of a large project, as a hook before a commit or an editor has it linted."""
    program, modules = many_files(bench.scratch / "many", count, imported)
    few, alone = bench.scratch / "few", bench.scratch / "alone"
    for folder in (few, alone):
        folder.mkdir()
        shutil.copy(program, folder)
    for module in modules:
        shutil.copy(module, few)
    single = bench.mlint("mlint, the file alone", ["--no-cache", alone / program.name], jobs=1)
    plain = bench.mlint(f"mlint, it and its {imported} imports", ["--no-cache", few], jobs=1)
    cold = bench.mlint("mlint, one of many, cold", ["--no-cache", program], jobs=1)
    caches = bench.scratch / "many-cache", bench.scratch / "alone-cache"
    warm = bench.mlint("mlint, one of many, warm", ["--cache-dir", caches[0], program], jobs=1)
    again = bench.mlint("mlint, the file alone, warm", ["--cache-dir", caches[1], alone / program.name], jobs=1)
    costs = bench.race(f"One file of {count}", [single, plain, cold, warm, again], max(10, bench.rounds))
    bench.judge(
        "one of many, cold / it and its imports", costs[cold.name].cpu / costs[plain.name].cpu, 2,
        detail=f"{costs[cold.name].cpu / costs[single.name].cpu:.2f} × the file alone",
    )  # fmt: skip
    extra = (costs[warm.name].cpu - costs[again.name].cpu) * 1000
    bench.judge("one of many, warm, more than alone", extra, 20, " ms")


# ----------------------------------------------------------------------------------------------------------- the whole


def machine() -> dict[str, object]:
    """What the figures were measured on."""
    model = platform.processor() or platform.machine()
    try:
        found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
        model = found[1] if found else model
    except OSError:
        pass
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; the exit code is described at the top."""
    from scripts.ecosystem import targets_of

    measurements = ("cold", "warm", "torchfix", "flake8", "ruff", "small", "many")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    default = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mlint-ecosystem"
    add("targets", nargs="*", metavar="PACKAGE|PATH", help="package requirements, and folders (with a slash)")
    add("--cache", type=Path, default=default, help="packages and tools (default: %(default)s)")
    add("--rounds", type=int, default=3, help="rounds of every race (default: %(default)s)")
    add("--jobs", "-j", type=int, default=os.cpu_count() or 1, help="processes (default: one per core)")
    add("--only", default=",".join(measurements), help="some of %(default)s")
    add("--json", type=Path, metavar="OUT")
    options = parser.parse_args(argv)
    wanted = options.only.split(",")
    if unknown := set(wanted) - set(measurements):
        parser.error(f"no measurement {', '.join(sorted(unknown))}: one of {', '.join(measurements)}")
    options.cache.mkdir(parents=True, exist_ok=True)

    needs_files = not set(wanted) <= {"small", "many"}
    targets, failures = targets_of(options.targets or PACKAGES, options.cache) if needs_files else ([], [])
    for failure in failures:
        print(f"not had: {failure}", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="mlint-bench-") as folder:
        scratch = Path(folder)
        bench = Bench(scratch, options.cache, options.jobs, options.rounds)
        folders = [Path(target.folder) for target in targets]
        tree, five_hundred = scratch / "tree", scratch / "five-hundred"
        files = copies(folders, tree)
        measured: dict[str, Callable[[], None]] = {
            "cold": lambda: measure_cold(bench, tree, files),
            "warm": lambda: measure_warm(bench, five_hundred, copies(folders, five_hundred, 500)),
            "torchfix": lambda: measure_torchfix(bench, files),
            "flake8": lambda: measure_flake8(bench, files),
            "ruff": lambda: measure_ruff(bench, tree, files),
            "small": lambda: measure_small(bench),
            "many": lambda: measure_one_of_many(bench),
        }
        missing = bool(failures)
        for name in wanted:
            try:
                measured[name]()
            except NotMeasuredError as error:
                print(f"not measured: {error}", file=sys.stderr)
                missing = True

    print(f"\n{'budget':40}{'measured':>14}{'at most':>14}")
    for verdict in bench.verdicts:
        value, limit = (f"{number:.3g}{verdict.unit}" for number in (verdict.value, verdict.budget))
        print(f"{verdict.what:40}{value:>14}{limit:>14}  {'ok  ' if verdict.kept else 'OVER'}  {verdict.detail}")
    about = machine()
    print(", ".join(f"{key} {value}" for key, value in about.items()))
    if options.json:
        content = {
            "machine": about,
            "packages": {target.name: target.version for target in targets},
            "files": len(files),
            "jobs": options.jobs,
            "rounds": options.rounds,
            "races": {
                title: {name: asdict(cost) for name, cost in costs.items()} for title, costs in bench.costs.items()
            },
            "budgets": [{**asdict(verdict), "kept": verdict.kept} for verdict in bench.verdicts],
        }
        options.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return 2 if missing else 0 if all(verdict.kept for verdict in bench.verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
