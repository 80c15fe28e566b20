"""Makes the tables of the libraries (`mlint/model/libraries/data/`) from the libraries' own files.

    python scripts/build_tables.py --download FOLDER           download what is missing there, then write the tables
    python scripts/build_tables.py FOLDER                      write the tables from what lies there
    python scripts/build_tables.py FOLDER --only numpy,pandas
    python scripts/build_tables.py FOLDER --check              1 if the tables are not what the files give
    python scripts/build_tables.py --time                      how long each table takes to load
    python scripts/build_tables.py --deprecations torch        all that torch gives up or has given up
    python scripts/build_tables.py --deprecations torch --after 1.8 --before 2.0

The folder holds ``<distribution>/<version>/<package>/...``, as `scripts.library_tables.sources` unpacks wheels. Nothing
of a library is imported or run. Reading takes Python 3.12 or newer: older ones cannot parse what the newest versions of
the libraries are written in.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from mlint.model import libraries  # noqa: E402
from mlint.model.libraries import data  # noqa: E402
from scripts.library_tables import sources, writing  # noqa: E402
from scripts.library_tables.merging import Merge, Version  # noqa: E402
from scripts.library_tables.reader import Reader  # noqa: E402
from scripts.library_tables.reading import Library  # noqa: E402
from scripts.library_tables.scopes import LIBRARIES, Covered  # noqa: E402

DATA = ROOT / "mlint" / "model" / "libraries" / "data"


def versions_in(folder: Path, covered: Covered) -> list[Version]:
    """The names of every version of a library that lies in a folder, oldest first."""
    read: list[Version] = []
    known: frozenset[str] = frozenset()
    for version in sources.VERSIONS[covered.distribution].split():
        place = folder / covered.distribution / version
        if not place.is_dir():
            continue
        places = [place]
        if covered.stubs is not None and version in covered.stubs[1]:
            places.append(folder / covered.stubs[0] / covered.stubs[1][version])
        library = Library(places, covered.scope.is_unread)
        names = Reader(library, covered.scope, known).read()
        known = known | {path for path, entry in names.items() if entry.what in ("c", "f")}
        read.append((version, names))
        for broken in library.broken:
            print(f"{covered.scope.root} {version}: {broken} does not parse", file=sys.stderr)
    return read


def made(folder: Path, covered: Covered) -> dict[str, str]:
    """The files of a library's tables: name → text."""
    versions = versions_in(folder, covered)
    if not versions:
        return {}
    merge = Merge(versions, covered.scope.worked_out)
    merge.merge()
    root = covered.scope.root
    listed = " ".join(version for version, _ in versions)
    return {
        f"{root}.txt": writing.names(root, listed, merge.rows, covered.scope.lean),
        f"{root}.deprecations.txt": writing.deprecations(root, listed, merge.deprecations, covered.scope.lean),
    }


def show_times() -> None:
    """Print how long the tables take to load: the best of five."""
    for root in data.roots():
        names = min(_seconds(lambda root=root: data.row(f"{root}.name")) for _ in range(5))  # type: ignore[misc]
        listing = min(_seconds(lambda root=root: libraries.deprecations(root)) for _ in range(5))  # type: ignore[misc]
        size = (DATA / f"{root}.txt").stat().st_size / 1024
        count = len(libraries.deprecations(root))
        times = f"names {names * 1000:6.2f} ms   {count:5} deprecations {listing * 1000:6.2f} ms"
        print(f"{root:14} {size:5.0f} KiB   {times}")


def show_deprecations(root: str, after: str | None, before: str | None) -> int:
    """Print what a library gives up, a line each with its versions, what to use instead, and the library's words."""
    if root not in data.roots():
        print(f"there is no table of {root}; there is one of {', '.join(data.roots())}", file=sys.stderr)
        return 2
    for one in libraries.given_up(root, after, before):
        name = one.name if one.argument is None else f"{one.name}({one.argument})"
        removed = "" if one.removed is None else f"in {one.removed[0] or '?'}, not in {one.removed[1]}"
        if one.back is not None:
            removed += f", again in {one.back}"
        print("\t".join((name, f"since {one.since}" if one.since else "", removed, one.replacement or "", one.message)))
    return 0


def _seconds(look_up: Callable[[], object]) -> float:
    for cached in (data._lines, data._text, data.deprecations):
        cached.cache_clear()
    began = time.perf_counter()
    look_up()
    return time.perf_counter() - began


def main(arguments: list[str] | None = None) -> int:
    """Run; 0 if all is as it should be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--download", "--fetch", action="store_true", help="download what is missing")
    parser.add_argument("--only", help="top-level names, separated by commas")
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    parser.add_argument("--time", action="store_true", help="how long each table takes to load")
    parser.add_argument("--deprecations", metavar="LIBRARY", help="list what a library gives up, from its tables")
    parser.add_argument("--after", metavar="VERSION", help="only what was deprecated or removed after this version")
    parser.add_argument("--before", metavar="VERSION", help="only what was deprecated or removed up to this version")
    given = parser.parse_args(arguments)
    if given.time:
        show_times()
        return 0
    if given.deprecations:
        return show_deprecations(given.deprecations, given.after, given.before)
    if given.folder is None:
        parser.error("which folder holds the libraries' files?")
    if tuple(sys.version_info) < (3, 12):
        parser.error(f"Python 3.12 or newer has to read the libraries' files; this is {sys.version.split()[0]}")
    chosen = [c for c in LIBRARIES if given.only is None or c.scope.root in given.only.split(",")]
    if given.download:
        given.folder.mkdir(parents=True, exist_ok=True)
        wanted = {d for c in chosen for d in (c.distribution, *([c.stubs[0]] if c.stubs else []))}
        for missing in sources.fetch(given.folder, tuple(sorted(wanted))):
            print(f"not offered: {missing}", file=sys.stderr)
    different = 0
    for covered in chosen:
        for name, text in made(given.folder, covered).items():
            path = DATA / name
            if given.check:
                if not path.is_file() or path.read_text(encoding="utf-8") != text:
                    print(f"{path.relative_to(ROOT)} is not what the files give")
                    different = 1
            else:
                DATA.mkdir(exist_ok=True)
                path.write_text(text, encoding="utf-8")
                print(f"{path.relative_to(ROOT)}: {text.count(chr(10))} lines, {len(text) // 1024} KiB")
    return different


if __name__ == "__main__":
    sys.exit(main())
