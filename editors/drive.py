"""Runs the recipes of docs/editors.md in the editors themselves, without a screen.

    python editors/drive.py            those editors that are installed
    python editors/drive.py neovim     these, which must be there
    python editors/drive.py --keep     leaves the folders that they worked in

Each recipe is taken out of the page, so that what is run is what is written there. The editor opens a file with a
finding behind an emoji, and a driver in ``editors/drivers`` waits until it is shown, has it fixed and saves. Ends with
exit code 1 if a finding does not appear, stands at the wrong place, or the file is not fixed as it should be.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "docs" / "editors.md"
DRIVERS = HERE / "drivers"
SCRIPTS = sysconfig.get_path("scripts")

TEXT = 'import torch\n\n\ndef f(x):\n    return "\U0001f525", torch.log(torch.softmax(x, dim=1))  # kept\n'
FIXED = TEXT.replace("torch.log(torch.softmax(x, dim=1))", "torch.log_softmax(x, dim=1)")
FOUND = "found ML501 5: torch.log(torch.softmax(x, dim=1))"


class Drive(NamedTuple):
    """One recipe: the heading it stands under, the program it needs, how it is run, and whether it fixes the file."""

    heading: str
    program: str
    run: Callable[[Path, str], list[str]]
    fixes: bool = True
    environment: tuple[tuple[str, str], ...] = ()
    needs: str = ""
    """A package of the editor, by a file that tells whether it is there."""
    oldest: tuple[int, ...] = ()
    """The first version of the program that has what the recipe uses."""


def recipe(heading: str, language: str) -> str:
    """All blocks of a language under a heading of the page."""
    page = PAGE.read_text(encoding="utf-8")
    sections = re.split(r"^## ", page, flags=re.M)
    section = next(section for section in sections if section.startswith(f"{heading}\n"))
    blocks: list[str] = re.findall(rf"^```{language}\n(.*?)^```$", section, flags=re.M | re.S)
    if not blocks:
        raise SystemExit(f"{PAGE}: no block of {language} under {heading!r}")
    return "\n".join(blocks)


def _neovim(folder: Path, heading: str) -> list[str]:
    (folder / "init.lua").write_text(recipe(heading, "lua"), encoding="utf-8")
    return [
        program("nvim"), "--headless", "-u", str(folder / "init.lua"), "-i", "NONE", "-n", "loss.py",
        "-c", f"luafile {DRIVERS / 'neovim.lua'}",
    ]  # fmt: skip


def _emacs(driver: str) -> Callable[[Path, str], list[str]]:
    def run(folder: Path, heading: str) -> list[str]:
        (folder / "init.el").write_text(recipe(heading, "elisp"), encoding="utf-8")
        paths = [each for name in ("eglot", "flycheck", "dash") for each in Path(ELPA).glob(f"{name}-*")]
        given = [word for path in paths for word in ("-L", str(path))]
        return [program("emacs"), "-Q", "--batch", *given, "-l", str(folder / "init.el"), "-l", str(DRIVERS / driver)]

    return run


def _vim(folder: Path, heading: str) -> list[str]:
    start = "set nocompatible nomore shortmess+=F\npackadd! ale\nruntime! plugin/ale.vim\nfiletype plugin on\n"
    (folder / "vimrc").write_text(start + recipe(heading, "vim"), encoding="utf-8")
    driver = DRIVERS / "ale.vim"
    return [program("vim"), "-es", "-N", "-u", str(folder / "vimrc"), "-i", "NONE", "loss.py", "-S", str(driver)]


def _pylsp(folder: Path, heading: str) -> list[str]:
    recipe(heading, "json")  # which turns the plugin off: it is on without a word
    return [sys.executable, str(DRIVERS / "pylsp.py")]


ELPA = "/usr/share/emacs/site-lisp/elpa"
DRIVES = {
    "neovim": Drive("Neovim", "nvim", _neovim, environment=(("DRIVE_FIX", "on saving"),), oldest=(0, 11)),
    "neovim-before-0.11": Drive("Neovim before 0.11", "nvim", _neovim, oldest=(0, 8)),
    "eglot": Drive("Emacs, eglot", "emacs", _emacs("eglot.el"), needs=f"{ELPA}/eglot-*"),
    "flycheck": Drive("Emacs, flycheck", "emacs", _emacs("flycheck.el"), fixes=False, needs=f"{ELPA}/flycheck-*"),
    "pylsp": Drive("python-lsp-server: Spyder, Kate and others", "pylsp", _pylsp),
    "ale": Drive("Vim, ALE", "vim", _vim, needs="/usr/share/vim/vimfiles/pack/*/*/ale"),
}


def program(name: str) -> str:
    """An editor: what ``NVIM_PROGRAM``, ``EMACS_PROGRAM`` or ``VIM_PROGRAM`` names, or what is on the path."""
    own = {"nvim": "NVIM_PROGRAM", "emacs": "EMACS_PROGRAM", "vim": "VIM_PROGRAM"}.get(name)
    return (os.environ.get(own) if own else None) or shutil.which(name, path=SCRIPTS) or name


def drive(name: str, *, keep: bool) -> str:
    """Run one recipe; what is wrong, or nothing."""
    one = DRIVES[name]
    folder = Path(tempfile.mkdtemp(prefix=f"mlint-{name}-"))
    try:
        (folder / "mlint.toml").write_text("")
        file = folder / "loss.py"
        file.write_text(TEXT, encoding="utf-8")
        out = folder / "found.txt"
        environment = {
            **os.environ, **dict(one.environment), "DRIVE_OUT": str(out), "DRIVE_FILE": str(file), "HOME": str(folder),
            "XDG_CONFIG_HOME": str(folder), "XDG_STATE_HOME": str(folder), "XDG_DATA_HOME": str(folder),
            "PATH": os.pathsep.join([SCRIPTS, os.environ["PATH"]]), "LC_ALL": "C.UTF-8",
        }  # fmt: skip
        command = one.run(folder, one.heading)
        try:
            done = subprocess.run(
                command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
            )
        except subprocess.TimeoutExpired:
            return "the editor has not ended within 120 seconds"
        said = out.read_text(encoding="utf-8") if out.exists() else ""
        lines = said.splitlines()
        wrong: list[str] = []
        if not any(line.startswith(FOUND) for line in lines):
            wrong.append(f"the finding is not shown where it is: {said!r}")
        if one.fixes:
            text = file.read_text(encoding="utf-8")
            if text.rstrip("\n") != FIXED.rstrip("\n"):
                wrong.append(f"the file is not fixed: {text!r}")
            if "left 0" not in lines:
                wrong.append("the finding is still shown after the fix")
        if done.returncode != 0:
            wrong.append(f"exit code {done.returncode}")
        if wrong:
            wrong.append((done.stdout + done.stderr)[-3000:])
        return "\n".join(wrong)
    finally:
        if keep:
            print(folder)
        else:
            shutil.rmtree(folder, ignore_errors=True)


def _version(name: str) -> str:
    done = subprocess.run([program(name), "--version"], capture_output=True, text=True, check=False)
    return done.stdout.partition("\n")[0]


def _numbers(version: str) -> tuple[int, ...]:
    found = re.search(r"\d+(?:\.\d+)+", version)
    return tuple(int(part) for part in found[0].split(".")) if found is not None else ()


def _is_here(one: Drive) -> bool:
    if shutil.which(program(one.program)) is None:
        return False
    return not one.needs or any(Path("/").glob(one.needs.lstrip("/")))


def main(arguments: list[str]) -> int:
    """Run the recipes; the exit code."""
    keep = "--keep" in arguments
    asked = [word for word in arguments if not word.startswith("-")]
    failed = ran = 0
    for name, one in DRIVES.items():
        if asked and name not in asked:
            continue
        if not _is_here(one):
            print(f"{name}: {one.program} is not here with what the recipe needs, left out")
            failed += name in asked
            continue
        if one.oldest and _numbers(_version(one.program)) < one.oldest:
            print(f"{name}: {_version(one.program)} is older than the recipe, left out")
            continue
        wrong = drive(name, keep=keep)
        ran += 1
        failed += bool(wrong)
        done = "failed" if wrong else "finding shown, fixed" if one.fixes else "finding shown"
        print(f"{name}: {done} ({_version(one.program)})")
        if wrong:
            print(wrong)
    print(f"recipes run: {ran}, of which {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
