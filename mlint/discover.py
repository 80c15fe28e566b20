"""Which files a run looks at: the paths that were given, excludes, what git ignores."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from mlint.globs import Globs, relative, slashed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class SettingsLike(Protocol):
        """What is read of the settings."""

        @property
        def root(self) -> str: ...
        @property
        def exclude(self) -> tuple[str, ...]: ...
        @property
        def extend_exclude(self) -> tuple[str, ...]: ...
        @property
        def force_exclude(self) -> bool: ...
        @property
        def respect_gitignore(self) -> bool: ...
        @property
        def extension(self) -> Mapping[str, str]: ...


ENDINGS = ("py", "pyi", "ipynb")


class DiscoverError(Exception):
    """A path cannot be looked at; the message is one line that says which and why."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Discovered(NamedTuple):
    """A file to look at."""

    path: str
    """As it is shown: relative if the given path was."""
    explicit: bool
    """Whether the file itself was given, and not a folder that it lies in."""


def discover(
    paths: Iterable[str],
    *,
    settings_for: Callable[[str], SettingsLike],
    on_error: Callable[[DiscoverError], None] | None = None,
) -> Iterator[Discovered]:
    """The files behind the given paths, each once, sorted by path.

    A file that is given is taken whatever its name, and though it is excluded unless the settings force excludes. A
    folder that is given is walked though git ignores it. Links to folders are followed only where they are given, as
    git does, so that no loop can arise; a link to a file is taken unless the file itself is found too.

    Args:
        paths: Files and folders.
        settings_for: The settings for a path, with a separator at its end if it is a folder.
        on_error: Called with what is wrong with a folder inside a given one, which is then passed over. Without it,
            the error is raised.

    Raises:
        DiscoverError: If a given path does not exist.
    """
    given = [os.path.normpath(path) for path in paths]
    missing = [path for path in given if not os.path.lexists(path)]
    if missing:
        raise DiscoverError(f"no such file or folder: {', '.join(missing)}")
    dangling = [path for path in given if not os.path.exists(path)]
    if dangling:
        raise DiscoverError(f"the link leads nowhere: {', '.join(dangling)}")
    walk = _Walk(settings_for, on_error)
    found: dict[str, Discovered] = {}
    linked: dict[str, Discovered] = {}
    for path in given:
        if os.path.isdir(path):
            continue
        settings = settings_for(path)
        if not (settings.force_exclude and walk.excluded(path, settings)):
            found.setdefault(os.path.realpath(path), Discovered(path, True))
    for path in given:
        if not os.path.isdir(path):
            continue
        settings = settings_for(os.path.join(os.path.dirname(os.path.abspath(path)), ""))
        if settings.force_exclude and path != os.curdir and walk.excluded(path, settings):
            continue
        for real, each, link in walk.files(path):
            (linked if link else found).setdefault(real, Discovered(each, False))
    for real, discovered in linked.items():
        found.setdefault(real, discovered)
    yield from sorted(found.values(), key=lambda discovered: discovered.path)


def is_excluded(path: str, settings: SettingsLike) -> bool:
    """Whether a file that is given, or standard input under that name, is to be left out: only if the settings both
    exclude it and force excludes on what is given.
    """
    return settings.force_exclude and is_covered(path, settings)


def is_covered(path: str, settings: SettingsLike) -> bool:
    """Whether the settings exclude a file or a folder that it lies in."""
    return _excludes(settings).covers(relative(path, settings.root))


def _excludes(settings: SettingsLike) -> Globs:
    return Globs((*settings.exclude, *settings.extend_exclude), settings.root)


class _Ignored(NamedTuple):
    """One file of gitignore patterns, as seen from the folder that is walked."""

    globs: Globs
    prefix: str
    """The path from the folder of the file to the folder that is walked, empty or with a slash at its end."""


class _Walk:
    """A walk through folders; patterns are read once."""

    def __init__(
        self, settings_for: Callable[[str], SettingsLike], on_error: Callable[[DiscoverError], None] | None
    ) -> None:
        self.settings_for, self.on_error = settings_for, on_error
        self.globs: dict[int, tuple[SettingsLike, Globs, tuple[str, ...]]] = {}

    def compiled(self, settings: SettingsLike) -> tuple[Globs, tuple[str, ...]]:
        """The excludes and the file name endings of the settings."""
        known = self.globs.get(id(settings))
        if known is None:
            given = settings.extension
            endings = {ending for ending in ENDINGS if ending not in given}
            endings |= {ending for ending, kind in given.items() if kind in ("python", "py", "pyi", "ipynb")}
            wanted = tuple(f".{ending}" for ending in sorted(endings))
            # the settings are kept as well, so that their id stays theirs
            known = self.globs[id(settings)] = (settings, _excludes(settings), wanted)
        return known[1], known[2]

    def excluded(self, path: str, settings: SettingsLike) -> bool:
        """Whether the settings exclude the path or a folder that it lies in."""
        return self.compiled(settings)[0].covers(relative(path, settings.root))

    def files(self, top: str) -> Iterator[tuple[str, str, bool]]:
        """(real path, shown path, is a link) of every file to look at below a folder."""
        shown = "" if top == os.curdir else os.path.join(top, "")
        whole = os.path.abspath(top)
        settings = self.settings_for(shown or os.path.join(os.curdir, ""))
        ignored = self.ignored_above(whole, settings) if settings.respect_gitignore else []
        stack = [(shown, whole, os.path.realpath(top), ignored)]
        while stack:
            shown, whole, real, ignored = stack.pop()
            try:
                with os.scandir(whole) as entries:
                    inside = sorted(entries, key=lambda entry: entry.name)
            except OSError as error:
                self.failed(DiscoverError(f"{shown or os.curdir}: cannot be read: {error.strerror}"))
                continue
            settings = self.settings_for(shown or os.path.join(os.curdir, ""))
            excludes, endings = self.compiled(settings)
            if settings.respect_gitignore:
                ignored = self.entered(whole, {entry.name for entry in inside}, ignored)
            else:
                ignored = []
            prefix = relative(os.path.join(whole, "x"), settings.root)[:-1]
            for entry in inside:
                name = entry.name
                try:
                    folder = entry.is_dir(follow_symlinks=False)
                    if not folder and not (name.endswith(endings) and entry.is_file()):
                        continue
                    link = entry.is_symlink()
                except OSError:  # a loop of links
                    continue
                if excludes.decide(prefix + name, folder) or _is_ignored(name, folder, ignored):
                    continue
                if folder:
                    below = [_Ignored(each.globs, f"{each.prefix}{name}/") for each in ignored]
                    stack.append((f"{shown}{name}{os.sep}", entry.path, os.path.join(real, name), below))
                else:
                    yield (os.path.realpath(entry.path) if link else os.path.join(real, name)), shown + name, link

    def failed(self, error: DiscoverError) -> None:
        """Report a folder that cannot be read."""
        if self.on_error is None:
            raise error
        self.on_error(error)

    def ignored_above(self, folder: str, settings: SettingsLike) -> list[_Ignored]:
        """The gitignore patterns of the folders above, up to the top of the repository; outside a repository, up to the
        root of the settings. The folder's own are not among them.
        """
        above: list[str] = []
        top = folder
        while not os.path.lexists(os.path.join(top, ".git")):
            parent = os.path.dirname(top)
            if parent == top:
                inside = [each for each in above if _is_below(each, settings.root)]
                above = inside if _is_below(folder, settings.root) else []
                break
            above.append(parent)
            top = parent
        ignored: list[_Ignored] = []
        for each in reversed(above):
            names = {name for name in (".git", ".gitignore") if os.path.lexists(os.path.join(each, name))}
            # every folder adds its own to what the one above it has
            ignored = self.entered(each, names, ignored)
            following = above[above.index(each) - 1] if each != above[0] else folder
            step = slashed(os.path.relpath(following, each))
            ignored = [_Ignored(known.globs, f"{known.prefix}{step}/") for known in ignored]
        return ignored

    def entered(self, folder: str, names: set[str], ignored: list[_Ignored]) -> list[_Ignored]:
        """The patterns that hold in a folder with these names in it; the closest come first."""
        if ".git" in names:  # another repository, which the one around it has no say in
            ignored = _from_file(_info_exclude(os.path.join(folder, ".git")), folder)
        if ".gitignore" in names:
            ignored = [*_from_file(os.path.join(folder, ".gitignore"), folder), *ignored]
        return ignored


def _is_ignored(name: str, folder: bool, ignored: list[_Ignored]) -> bool:
    """Whether git ignores an entry: the closest file that says something decides."""
    for each in ignored:
        decision = each.globs.decide(each.prefix + name, folder)
        if decision is not None:
            return decision
    return False


def _from_file(path: str, folder: str) -> list[_Ignored]:
    """The patterns of a file; none if it is not there or says nothing. Git does not follow links here either."""
    if os.path.islink(path):
        return []
    try:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="") as stream:
            globs = Globs.from_gitignore(stream.read(), folder)
    except OSError:
        return []
    return [_Ignored(globs, "")] if globs else []


def _info_exclude(git: str) -> str:
    """The path of ``info/exclude`` for a ``.git``, which is a file in linked work trees and submodules."""
    folder = git
    try:
        if os.path.isfile(git):
            with open(git, encoding="utf-8", errors="surrogateescape") as stream:
                target = stream.read().strip().removeprefix("gitdir:").strip()
            folder = os.path.join(os.path.dirname(git), target)
            with open(os.path.join(folder, "commondir"), encoding="utf-8", errors="surrogateescape") as stream:
                folder = os.path.join(folder, stream.read().strip())
    except OSError:
        pass
    return os.path.join(folder, "info", "exclude")


def _is_below(path: str, root: str) -> bool:
    return path == root or path.startswith(os.path.join(root, ""))
