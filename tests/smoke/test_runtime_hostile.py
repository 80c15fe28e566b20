"""Code that was not written to be checked: it exits, hangs, crashes, prints, downloads, writes, and is told about.

What happens at import is seen with a stand-in for torch; see `projects`. The last tests need torch itself.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from tests.smoke.projects import Project

pytestmark = pytest.mark.skipif(os.name != "posix", reason="mlint smoke needs process groups")
ARGUMENTS = ("m:build", "--batch", "float32[2,3]", "--output-format", "json", "--no-cache")


@pytest.mark.parametrize(
    ("code", "message", "line"),
    [
        ("import sys\nsys.exit('usage: m')", "importing m ends the process: sys.exit('usage: m')", 2),
        ("raise SystemExit", "importing m ends the process: sys.exit()", 1),
        ("import argparse\np = argparse.ArgumentParser()\np.add_argument('x')\np.parse_args()", "sys.exit(2)", 4),
        ("import os\ndef f():\n    os._exit(0)\nf()", "importing m ends the process: os._exit(0)", 3),
        ("import os\nos.abort()", "importing m was killed by SIGABRT", 2),
        ("import ctypes\nctypes.string_at(0)", "importing m was killed by SIGSEGV", 2),
        ("import os\nos.kill(os.getpid(), 9)", "killed by SIGKILL, as the system does when memory runs out", 0),
        ("raise MemoryError('no more')", "importing m runs out of memory: MemoryError: no more", 1),
        ("raise RuntimeError('CUDA out of memory. Tried')", "importing m runs out of memory: RuntimeError: CUDA", 1),
        ("raise KeyboardInterrupt", "importing m raises KeyboardInterrupt", 1),
    ],
)  # fmt: skip
def test_what_ends_the_process_is_told_with_the_line(light: Project, code: str, message: str, line: int) -> None:
    light.put("m.py", code)
    done = light.smoke(*ARGUMENTS)
    assert done.code == 1, done.err
    found = done.only
    assert found["code"] == "MS004"
    assert found["name"] == "target-died"
    assert message in found["message"]
    assert found["severity"] == "error"
    assert Path(found["filename"]).name == "m.py"
    assert found["location"]["row"] == (line or 1)
    assert "Traceback (most" not in done.err


@pytest.mark.parametrize(
    ("code", "message", "line"),
    [
        ("import nothing_there", "importing m raises ModuleNotFoundError: No module named 'nothing_there'", 1),
        ("def f():\n    return 1 / 0\n\n\nf()", "importing m raises ZeroDivisionError: division by zero", 2),
        ("x = (\n", "importing m raises SyntaxError: '(' was never closed", 1),
        ("class E(Exception):\n    def __str__(self):\n        1 / 0\n\n\nraise E", "importing m raises E", 6),
    ],
)  # fmt: skip
def test_an_import_that_raises_shows_the_users_own_traceback(
    light: Project, code: str, message: str, line: int
) -> None:
    light.put("m.py", code)
    done = light.smoke(*ARGUMENTS)
    assert done.code == 1
    found = done.only
    assert found["code"] == "MS001"
    assert found["message"] == message
    assert found["location"]["row"] == line
    text = found["evidence"]["traceback"]
    assert "m.py" in text
    assert "mlint" not in text.replace(str(light.folder), "")
    assert "importlib" not in text


def test_the_line_that_hangs_is_told_and_everything_is_killed(light: Project) -> None:
    light.put(
        "m.py",
        """\
        import subprocess, sys, time
        worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        with open("worker", "w") as stream:
            stream.write(str(worker.pid))
        def wait():
            while True:
                time.sleep(0.05)
        wait()
        """,
    )
    done = light.smoke(*ARGUMENTS, "--timeout", "1s")
    assert done.code == 1
    found = done.only
    assert found["code"] == "MS003"
    assert found["message"] == (
        "importing m did not end within 1 s; it hung in wait (m.py:7); raise `timeout` if it is only slow"
    )
    assert found["location"]["row"] == 7
    assert "in wait" in found["evidence"]["traceback"]
    worker = int((light.folder / "worker").read_text())
    for _ in range(100):
        if not _lives(worker):
            break
        time.sleep(0.05)
    assert not _lives(worker)


def _lives(process: int) -> bool:
    """Whether a process is there and is no zombie that nobody has asked about."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    try:
        return "\nState:\tZ" not in Path(f"/proc/{process}/status").read_text()
    except OSError:
        return False


def test_a_hang_with_the_lock_of_python_held_is_told(light: Project) -> None:
    light.put("m.py", "import re\n\n\ndef f():\n    re.match('(a*)*b', 'a' * 60)\n\n\nf()\n")
    found = light.smoke(*ARGUMENTS, "--timeout", "1s").only
    assert found["code"] == "MS003"
    assert found["location"]["row"] == 5


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="resident sizes are read from /proc")
def test_memory_is_watched_in_all_processes(light: Project) -> None:
    light.put(
        "m.py",
        """\
        import subprocess, sys, time
        code = "x = bytearray(200_000_000)\\nfor i in range(0, len(x), 4096): x[i] = 1\\nimport time; time.sleep(60)"
        workers = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(2)]
        time.sleep(60)
        """,
    )
    found = light.smoke(*ARGUMENTS, "--memory", "300 MB").only
    assert found["code"] == "MS004"
    assert "of memory; 286 MiB are allowed" in found["message"]
    assert found["location"]["row"] == 4


def test_prints_do_not_reach_the_report_and_are_shown_with_v(light: Project) -> None:
    light.put(
        "m.py",
        """\
        import os, sys
        print("[{'broken': json")
        os.write(1, b"raw\\xff bytes\\n")
        os.write(2, b"to stderr\\n")
        sys.stdout.close()
        raise ValueError("after it")
        """,
    )
    done = light.smoke(*ARGUMENTS)
    assert done.only["code"] == "MS001"
    assert "broken" not in done.out + done.err
    done = light.smoke(*ARGUMENTS, "-v")
    assert done.only["code"] == "MS001"
    for text in ("the target printed:", "[{'broken': json", "raw", "to stderr"):
        assert text in done.err


def test_a_process_that_was_forked_is_not_heard(light: Project) -> None:
    light.put(
        "m.py",
        """\
        import os, sys
        child = os.fork()
        if child == 0:
            sys.exit(3)
        os.waitpid(child, 0)
        raise ValueError("the parent")
        """,
    )
    assert light.smoke(*ARGUMENTS).only["message"] == "importing m raises ValueError: the parent"


@pytest.mark.parametrize(
    "code",
    [
        "import urllib.request\nurllib.request.urlopen('http://example.com/weights')",
        "import socket\nsocket.create_connection(('10.1.2.3', 80))",
        "import socket\ns = socket.socket(); s.connect(('93.184.216.34', 443))",
    ],
)
def test_there_is_no_network(light: Project, code: str) -> None:
    light.put("m.py", code)
    found = light.smoke(*ARGUMENTS).only
    assert found["code"] == "MS001"
    assert "mlint smoke runs without network: a connection to " in found["message"]
    assert "; mlint smoke runs offline: download what is needed before" in found["message"]
    assert found["location"]["row"] == 2


def test_this_machine_can_be_reached(light: Project) -> None:
    light.put(
        "m.py",
        """\
        import socket
        server = socket.socket()
        server.bind(("127.0.0.1", 0))
        server.listen(1)
        socket.create_connection(("localhost", server.getsockname()[1]))
        raise ValueError("connected")
        """,
    )
    assert "connected" in light.smoke(*ARGUMENTS).only["message"]


def test_the_environment_is_quiet(light: Project) -> None:
    light.put(
        "m.py",
        """\
        import os, sys, tempfile
        names = ("HF_HUB_OFFLINE", "WANDB_MODE", "MPLBACKEND", "MLINT_SMOKE", "OMP_NUM_THREADS")
        raise ValueError(repr(([os.environ[name] for name in names], sys.argv, sys.stdin.read())))
        """,
    )
    message = light.smoke(*ARGUMENTS, env={"WANDB_MODE": "online", "OMP_NUM_THREADS": "64"}).only["message"]
    assert message.endswith("(['1', 'disabled', 'Agg', '1', '2'], ['mlint-smoke'], '')")


def test_what_is_written_is_told(light: Project) -> None:
    light.put(
        "m.py", "open('log.txt', 'w').write('x')\nimport tempfile\nopen(tempfile.mkstemp()[1], 'w')\nraise ValueError"
    )
    done = light.smoke(*ARGUMENTS)
    assert done.only["code"] == "MS001"
    assert (light.folder / "log.txt").read_text() == "x"
    assert "the target wrote log.txt\n" in done.err


def test_torch_is_missing(project: Project) -> None:
    """In an environment of its own, which has neither torch nor mlint."""
    import venv

    venv.create(project.folder / "env", with_pip=False, symlinks=True)
    project.put("m.py", "x = 1\n")
    done = project.smoke(*ARGUMENTS, "--python", "env")
    found = done.only
    assert done.code == 1
    assert (found["code"], found["name"]) == ("MS005", "torch-missing")
    assert f"there is no torch in {project.folder / 'env'}" in found["message"]
    assert Path(found["filename"]).name == "pyproject.toml"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("raise OSError('libcudart.so.12: cannot open shared object file')", "raises OSError: libcudart.so.12"),
        ("__version__ = '1.13.1+cu117'", "torch 1.13.1+cu117 in "),
        ("import nothing_there", "raises ModuleNotFoundError: No module named 'nothing_there'"),
    ],
)
def test_torch_is_broken_or_old(project: Project, text: str, message: str) -> None:
    project.put("torch/__init__.py", text)
    project.put("m.py", "x = 1\n")
    found = project.smoke(*ARGUMENTS).only
    assert found["code"] == "MS005"
    assert message in found["message"]
