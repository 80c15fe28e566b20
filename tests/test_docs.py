"""The documentation says what the project does."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from mlint.registry import load_index

ROOT = Path(__file__).resolve().parent.parent


def test_the_pages_of_the_rules_are_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, "scripts/build_docs.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_links_between_documents_lead_somewhere() -> None:
    for document in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]:
        text = re.sub(r"```.*?```", "", document.read_text(encoding="utf-8"), flags=re.DOTALL)
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
            if "://" not in target:
                assert (document.parent / target).exists(), f"{document.relative_to(ROOT)}: {target}"


def test_every_rule_that_a_document_names_exists() -> None:
    known = load_index().by_code
    for document in [ROOT / "README.md", *ROOT.glob("docs/*.md")]:
        for code in re.findall(r"\bML\d{3}\b", document.read_text(encoding="utf-8")):
            assert code in known, f"{document.relative_to(ROOT)} names {code}"


def test_no_file_names_a_place_outside_the_project() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split()
    pattern = re.compile("|".join(["/wo" + "rk/", r"\.\./" + "shared", "/tmp/" + "bash_jobs"]))
    for name in listed:
        text = (ROOT / name).read_text(encoding="utf-8", errors="replace")
        assert not pattern.search(text), name
