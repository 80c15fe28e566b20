"""The cache: what is the same is known, what differs in anything that matters is not."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from mlint.cache import Cache, Stamps, digest, package_stamp
from mlint.finding import Edit, Finding, Fix, Location, Safety

OLD = 1_600_000_000_000_000_000


def put(path: Path, text: str, *, old: bool = True) -> str:
    """Write a file whose time stamp is old enough to be trusted, unless it is to be young."""
    path.write_text(text, encoding="utf-8")
    if old:
        os.utime(path, ns=(OLD, OLD))
    return str(path)


def finding(path: str, *, built: bool = True) -> Finding:
    """A finding with everything that a finding can have."""
    edits = (Edit(3, 5, "é\n"),) if built else None
    fix = Fix(Safety.UNSAFE, "do it", edits)
    return Finding(
        path, Location(1, 2), Location(3, 4), "ML501", "a-name", "méssage", "advice", fix, 2, severity="error"
    )


def open_cache(folder: Path, key: str = "key") -> Cache:
    return Cache(str(folder / ".mlint_cache"), str(folder), key)


def store(cache: Cache, path: str, findings: list[Finding], dependencies: tuple[str, ...] = ()) -> None:
    status = os.stat(path)
    cache.store(
        path,
        explicit=False,
        status=(status.st_mtime_ns, status.st_size),
        content=digest(Path(path).read_bytes()),
        findings=findings,
        dependencies=dependencies,
    )


def look(cache: Cache, path: str, *, explicit: bool = False, edits: bool = False) -> list[Finding] | None:
    return cache.lookup(path, explicit=explicit, edits=edits)


def test_what_was_stored_comes_back_whole(tmp_path: Path) -> None:
    path = put(tmp_path / "a.py", "x = 1\n")
    cache = open_cache(tmp_path)
    assert look(cache, path) is None
    store(cache, path, [finding(path), Finding(path, Location(1, 1), Location(1, 2), "ML1", "b", "c")])
    cache.save()
    again = look(open_cache(tmp_path), path)
    assert again == [finding(path), Finding(path, Location(1, 1), Location(1, 2), "ML1", "b", "c")]


def test_the_path_is_the_one_that_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = put(tmp_path / "a.py", "x = 1\n")
    cache = open_cache(tmp_path)
    store(cache, path, [finding(path)])
    cache.save()
    monkeypatch.chdir(tmp_path)
    assert look(open_cache(tmp_path), "a.py") == [finding("a.py")]


def test_a_moved_project_keeps_its_cache(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    path = put(tmp_path / "one" / "a.py", "x = 1\n")
    cache = open_cache(tmp_path / "one")
    store(cache, path, [])
    cache.save()
    (tmp_path / "one").rename(tmp_path / "two")
    assert look(open_cache(tmp_path / "two"), str(tmp_path / "two" / "a.py")) == []


def test_other_content_misses(tmp_path: Path) -> None:
    path = put(tmp_path / "a.py", "x = 1\n")
    cache = open_cache(tmp_path)
    store(cache, path, [])
    cache.save()
    put(tmp_path / "a.py", "x = 22\n")
    assert look(open_cache(tmp_path), path) is None
    put(tmp_path / "a.py", "x = 2\n", old=False)  # the same size
    assert look(open_cache(tmp_path), path) is None
    put(tmp_path / "a.py", "x = 1\n", old=False)  # touched, as by a checkout
    assert look(open_cache(tmp_path), path) == []


def test_a_young_file_is_compared_by_content(tmp_path: Path) -> None:
    path = put(tmp_path / "a.py", "x = 1\n", old=False)
    status = os.stat(path)
    cache = open_cache(tmp_path)
    store(cache, path, [])
    cache.save()
    put(tmp_path / "a.py", "x = 2\n", old=False)
    os.utime(path, ns=(status.st_mtime_ns, status.st_mtime_ns))  # changed within one tick of the clock
    assert look(open_cache(tmp_path), path) is None


def test_another_key_misses_and_keeps_the_first(tmp_path: Path) -> None:
    path = put(tmp_path / "a.py", "x = 1\n")
    cache = open_cache(tmp_path)
    store(cache, path, [])
    cache.save()
    other = open_cache(tmp_path, "other settings")
    assert look(other, path) is None
    store(other, path, [finding(path)])
    other.save()
    assert look(open_cache(tmp_path), path) == []


def test_explicit_and_edits_matter(tmp_path: Path) -> None:
    path = put(tmp_path / "a.py", "x = 1\n")
    cache = open_cache(tmp_path)
    store(cache, path, [finding(path, built=False)])
    assert look(cache, path, explicit=True) is None
    assert look(cache, path, edits=True) is None
    assert look(cache, path) == [finding(path, built=False)]
    store(cache, path, [finding(path)])
    assert look(cache, path, edits=True) == [finding(path)]


def test_a_folder_is_the_names_of_what_lies_in_it(tmp_path: Path) -> None:
    path = put(tmp_path / "a.py", "import b\n")
    folder = tmp_path / "pkg"
    folder.mkdir()
    put(folder / "b.py", "y = 1\n")
    cache = open_cache(tmp_path)
    store(cache, path, [], (str(folder),))
    cache.save()
    put(folder / "b.py", "y = 2\n")
    put(folder / "notes.txt", "")
    (folder / "__pycache__").mkdir()
    assert look(open_cache(tmp_path), path) == []
    put(folder / "c.py", "")
    assert look(open_cache(tmp_path), path) is None
    (folder / "c.py").unlink()
    assert look(open_cache(tmp_path), path) == []
    (folder / "deeper").mkdir()
    assert look(open_cache(tmp_path), path) is None


def test_a_changed_dependency_misses(tmp_path: Path) -> None:
    path = put(tmp_path / "a.py", "import b\n")
    other = put(tmp_path / "b.py", "y = 1\n")
    absent = str(tmp_path / "c.py")
    cache = open_cache(tmp_path)
    store(cache, path, [], (other, absent))
    cache.save()
    assert look(open_cache(tmp_path), path) == []
    put(tmp_path / "b.py", "y = 2\n", old=False)
    assert look(open_cache(tmp_path), path) is None
    put(tmp_path / "b.py", "y = 1\n")
    assert look(open_cache(tmp_path), path) == []
    put(tmp_path / "c.py", "z = 1\n")
    assert look(open_cache(tmp_path), path) is None
    (tmp_path / "c.py").unlink()
    (tmp_path / "b.py").unlink()
    assert look(open_cache(tmp_path), path) is None


def test_a_dependency_that_changes_during_the_run_is_not_trusted(tmp_path: Path) -> None:
    path = put(tmp_path / "a.py", "import b\n")
    other = put(tmp_path / "b.py", "y = 1\n")
    cache = open_cache(tmp_path)
    later = time.time_ns() + 10**9
    os.utime(other, ns=(later, later))
    store(cache, path, [], (other,))
    cache.save()
    assert look(open_cache(tmp_path), path) is None


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:-3],
        lambda data: b"\xff" * 40,
        lambda data: data.replace(b"ML501", b"ML502"),
        lambda data: rewrapped({"a.py": 1}),
        lambda data: rewrapped({"a.py": [[OLD, 6, "x"], False, [[1]], []]}),
        lambda data: rewrapped({"a.py": [[OLD, 6, "x"], False, None, []]}),
        lambda data: rewrapped([]),
    ],
)
def test_a_damaged_cache_is_no_cache(tmp_path: Path, damage: Any) -> None:
    path = put(tmp_path / "a.py", "x = 1\n")
    cache = open_cache(tmp_path)
    store(cache, path, [finding(path)])
    cache.save()
    (shard,) = (tmp_path / ".mlint_cache").glob("*.json")
    shard.write_bytes(damage(shard.read_bytes()))
    cache = open_cache(tmp_path)
    assert look(cache, path) is None
    store(cache, path, [finding(path)])
    cache.save()
    assert look(open_cache(tmp_path), path) == [finding(path)]


def rewrapped(data: object) -> bytes:
    """A shard with a right check sum and wrong content."""
    import zlib

    payload = json.dumps(data).encode()
    return b"%08x" % zlib.crc32(payload) + payload


def test_the_folder_is_left_alone_by_git_and_backups(tmp_path: Path) -> None:
    path = put(tmp_path / "a.py", "x = 1\n")
    cache = open_cache(tmp_path)
    cache.save()
    assert not (tmp_path / ".mlint_cache").exists(), "nothing to keep, nothing to make"
    store(cache, path, [])
    cache.save()
    assert "*" in (tmp_path / ".mlint_cache" / ".gitignore").read_text().splitlines()
    tag = (tmp_path / ".mlint_cache" / "CACHEDIR.TAG").read_text()
    assert tag.startswith("Signature: 8a477f597d28d172789f06886806bc55")
    assert not list((tmp_path / ".mlint_cache").glob("*.tmp"))


def test_a_cache_that_cannot_be_written_is_silent(tmp_path: Path) -> None:
    path = put(tmp_path / "a.py", "x = 1\n")
    (tmp_path / ".mlint_cache").write_text("a file where the folder should be")
    cache = open_cache(tmp_path)
    store(cache, path, [])
    cache.save()
    assert look(open_cache(tmp_path), path) is None


def test_files_that_are_gone_are_forgotten_and_old_shards_removed(tmp_path: Path) -> None:
    path, gone = put(tmp_path / "a.py", "x = 1\n"), put(tmp_path / "b.py", "x = 1\n")
    cache = open_cache(tmp_path)
    store(cache, path, [])
    store(cache, gone, [])
    cache.save()
    os.unlink(gone)
    stale = tmp_path / ".mlint_cache" / "0123.json"
    stale.write_text("{}")
    os.utime(stale, ns=(OLD, OLD))
    cache = open_cache(tmp_path)
    store(cache, path, [])
    cache.save()
    (shard,) = (tmp_path / ".mlint_cache").glob("*.json")
    assert set(json.loads(shard.read_bytes()[8:])) == {"a.py"}


def test_each_file_is_looked_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = put(tmp_path / "a.py", "x = 1\n")
    stamps = Stamps()
    first = stamps.status(path), stamps.digest(path)
    os.unlink(path)
    assert (stamps.status(path), stamps.digest(path)) == first
    assert Stamps().status(path) is None
    assert Stamps().digest(path) == ""


def test_the_stamp_of_the_package_is_stable() -> None:
    assert package_stamp() == package_stamp() != ""
