"""Untrusted code, really executed: results, limits, isolation, and that nothing of it remains.

Most tests run twice: with namespaces, and without, as on a system that does not allow them.
"""

import contextlib
import ctypes
import functools
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from code_runner import isolation, process_tree, result_format, run_code, system_calls
from tests.host.local_host import wait_until


def _forbid_namespaces() -> None:
    """Enter, in the new process before its program, a user namespace in which no other one can be created."""
    with contextlib.suppress(OSError):
        user, group = os.getuid(), os.getgid()
        ctypes.CDLL(None).prctl(isolation.DUMPABLE, 1, 0, 0, 0)
        if ctypes.CDLL(None).unshare(isolation.NEW_USER) == 0:
            Path("/proc/self/setgroups").write_text("deny")
            Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
            Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
            for kind in ("user", "pid", "net", "mnt", "ipc"):
                Path(f"/proc/sys/user/max_{kind}_namespaces").write_text("0")


@pytest.fixture(params=["namespaces", "no_namespaces"])
def isolation_mode(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "no_namespaces":
        start = functools.partial(subprocess.Popen, preexec_fn=_forbid_namespaces)
        monkeypatch.setattr(subprocess, "Popen", start)
    elif not _allows_namespaces():
        pytest.skip("this system does not allow namespaces")
    return str(request.param)


@functools.cache
def _allows_namespaces() -> bool:
    return (
        "first"
        in execute("import os; return {'first': 1} if os.getpid() == 1 else None").get("items", [{}])[0]
    )


def build_event(code: str, items: Any = ({},), mode: str = "all", seconds: float = 20) -> dict[str, Any]:
    return {
        "code": code,
        "mode": mode,
        "items": list(items),
        "variables": [{}] * max(1, len(items)),
        "trigger": None,
        "execution": {"id": "run"},
        "now": "2026-01-02T03:04:05Z",
        "timeoutSeconds": seconds,
    }


def execute(
    code: str, items: Any = ({},), mode: str = "all", seconds: float = 20, **more: Any
) -> dict[str, Any]:
    event = build_event(code, items, mode, seconds)
    children_before = process_tree.list_children()
    result = run_code.handler(event | more, None)
    json.dumps(result, allow_nan=False, ensure_ascii=False).encode()
    assert process_tree.list_children() == children_before, "processes are left"
    return result


def execute_failing(code: str, **more: Any) -> tuple[str, str]:
    """Return the code and the message of its error."""
    error = execute(code, **more)["error"]
    return error["code"], error["message"]


# Results


@pytest.mark.parametrize(
    ("code", "mode", "expected"),
    [
        ("return items", "all", [{"n": 1}, {"n": 2}]),
        ("return item | {'i': index, 'of': len(items)}", "each", None),
        ("return [item, item]", "each", [{"n": 1}, {"n": 1}, {"n": 2}, {"n": 2}]),
        ("if item['n'] > 1: return item", "each", [{"n": 2}]),
        ("for item in items:\n    yield {'d': item['n'] * 2}", "all", [{"d": 2}, {"d": 4}]),
        ("return 5", "all", [{"value": 5}]),
        ("return (1, None, {'a': [True]})", "all", [{"value": 1}, {"value": None}, {"a": [True]}]),
        ("pass", "all", []),
        ("# nothing but a comment", "each", []),
        ("def double(n):\n    return n * 2\nreturn {'d': double(items[1]['n'])}", "all", [{"d": 4}]),
        ("'''text\n  as it is'''\nreturn {'t': '''a\n  b'''}", "all", [{"t": "a\n  b"}]),
        (
            "return {'ü': 'größer 🦊 \\u2028', 1: 2, None: 3}",
            "all",
            [{"ü": "größer 🦊 \u2028", "1": 2, "null": 3}],
        ),
        ("import hashlib, decimal, zoneinfo, sqlite3, re\nreturn {'ok': 1}", "all", [{"ok": 1}]),
        ("return {'t': trigger, 'e': execution['id'], 'now': now, 'v': variables}", "all", None),
    ],
)
def test_returned_values_become_items(code: str, mode: str, expected: Any) -> None:
    result = execute(code, [{"n": 1}, {"n": 2}], mode)
    if expected is None and mode == "each":
        expected = [{"n": 1, "i": 0, "of": 2}, {"n": 2, "i": 1, "of": 2}]
    expected = (
        expected
        if expected is not None
        else [{"t": None, "e": "run", "now": "2026-01-02T03:04:05Z", "v": {}}]
    )
    assert result == {"items": expected, "log": []}


def test_each_item_has_its_own_variables() -> None:
    result = execute("return variables", [{}, {}], "each", variables=[{"a": 1}, {"a": 2}])
    assert result["items"] == [{"a": 1}, {"a": 2}]


def test_printed_lines_are_logged(isolation_mode: str) -> None:
    result = execute(
        "import sys\nprint('one', 2)\nprint('é🦊', file=sys.stderr)\nprint('\\udcff')\nreturn {}"
    )
    assert result == {"items": [{}], "log": ["one 2", "é🦊", "\\udcff"]}
    assert execute("print('before')\nraise ValueError('x')")["log"] == ["before"]
    assert execute("import os\nprint('before')\nos._exit(1)")["log"] == ["before"]


# Errors


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("a = 1\n\nreturn a / 0", "ZeroDivisionError: division by zero (line 3)"),
        ("def f():\n    return {}['x']\nreturn f()", "KeyError: 'x' (line 2)"),
        ("import json\nreturn json.loads('{')", "(line 2)"),
        ("return item", "NameError: name 'item' is not defined (line 1)"),
        ("x = 1\nreturn (", "SyntaxError: '(' was never closed (line 2)"),
        ("x = 1\n  y = 2", "IndentationError: unexpected indent (line 2)"),
        ("break", "SyntaxError: 'break' outside loop (line 1)"),
        ("x = '\x00'", "null bytes"),
        ("raise SystemExit(3)", "SystemExit: 3 (line 1)"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt:  (line 1)"),
        ("return input()", "EOFError"),
        ("def f(): return f()\nreturn f()", "RecursionError: maximum recursion depth exceeded (line 1)"),
        ("class E(Exception):\n    def __str__(self): raise E()\nraise E()", "cannot be shown (line 3)"),
        ("class E(Exception):\n    def __str__(self): return 'x' * 10**6\nraise E()", "E: xxx"),
        ("raise ValueError('\\ud800')", ""),
        ("import socket\nsocket.socket().connect(('127.0.0.1', 1))", "Error"),
        ("return exit(1)", "NameError"),
        ("import weconnect", "No module named 'weconnect' (line 1)"),
        ("import workflows", "No module named 'workflows' (line 1)"),
        ("import code_runner", "No module named 'code_runner' (line 1)"),
        ("import boto3", "No module named 'boto3' (line 1)"),
        ("import os\nos._exit(7)", "without a result: status 7"),
        ("import os\nos._exit(0)", "without a result: status 0"),
        ("import ctypes\nctypes.string_at(0)", "without a result: signal SIGSEGV"),
        ("import os\nos.closerange(0, 100)\nreturn {}", "without a result: status 0"),
    ],
)
def test_an_error_names_the_line(code: str, expected: str) -> None:
    error_code, message = execute_failing(code)
    assert error_code in ("code_failed", "not_json") and expected in message and len(message) <= 2_000


@pytest.mark.parametrize(
    "code",
    [
        "return {'x': float('nan')}",
        "return {'x': float('inf')}",
        "return {'x': {1, 2}}",
        "return {'x': b'bytes'}",
        "return b'bytes'",
        "class Evil:\n    def __repr__(self): raise SystemExit\n    __str__ = __repr__\nreturn {'x': Evil()}",
        "class Evil(dict):\n    def items(self): raise SystemExit\nreturn {'x': Evil(a=1)}",
        "x = {}\nx['x'] = x\nreturn x",
        "x = []\nfor _ in range(100000): x = [x]\nreturn {'x': x}",
        "return {'x': 10 ** 5000}",
        "return {'x': '\\ud800'}",
        "return {(1, 2): 3}",
        "return {'x': lambda: 1}",
    ],
)
def test_values_that_are_not_json_are_refused(code: str) -> None:
    error_code, message = execute_failing(code)
    assert error_code == "not_json" and message.startswith(result_format.NOT_JSON)


# Limits


@pytest.mark.parametrize(
    "code",
    [
        "while True: pass",
        "import time\ntime.sleep(100)",
        "import signal, time\nfor s in {*range(1, 32)} - {9, 19}: signal.signal(s, signal.SIG_IGN)\ntime.sleep(100)",
        "try:\n    while True: pass\nexcept BaseException: pass",
        "import os\nos.closerange(0, 100)\nwhile True: pass",
        "while True: print('x' * 1000)",
        "class E(Exception):\n    def __str__(self):\n        while True: pass\nraise E()",
        "return list(x for x in iter(int, 1))",
        "import re\nreturn bool(re.match('(a+)+$', 'a' * 50 + '!'))",
    ],
)
def test_time_is_limited(code: str, isolation_mode: str) -> None:
    assert execute_failing(code, seconds=0.5) == ("code_timeout", "The code took longer than 0.5 s")


@pytest.mark.parametrize(
    "code",
    [
        "x = []\nwhile True: x.append('a' * 10**6)",
        "return 'a' * 10**9",
        "x = 'a' * 10**8\nreturn [x, x]",
        "import builtins\nbuiltins.x = x = []\nwhile True: x.append(bytes(1000))",
    ],
)
def test_memory_is_limited(code: str, isolation_mode: str) -> None:
    assert execute_failing(code)[0] in ("code_out_of_memory", "too_large")


FORK = """
import os, time
def start(work):
    if os.fork() == 0:
        {prefix}
        kept = work()
        time.sleep(60)
        os._exit(0)
"""


@pytest.mark.parametrize(
    "prefix",
    ["pass", "os.setsid(); os.fork() and os._exit(0)", "os.closerange(0, 100)"],
    ids=["children", "daemons", "silent"],
)
def test_the_memory_of_all_processes_is_limited_together(prefix: str, isolation_mode: str) -> None:
    code = FORK.format(prefix=prefix) + "for _ in range(4): start(lambda: b'x' * 200_000_000)\n"
    assert execute_failing(code + "time.sleep(30)")[0] == "code_out_of_memory"


def test_memory_that_processes_share_is_counted_once(isolation_mode: str) -> None:
    code = (
        FORK.format(prefix="pass") + "shared = b'x' * 200_000_000\nfor _ in range(4): start(lambda: None)\n"
    )
    assert execute(code + "time.sleep(0.5)\nreturn {}") == {"items": [{}], "log": []}


@pytest.mark.parametrize(
    "code",
    [
        "import os\nos.memfd_create('x')",
        "import mmap\nmmap.mmap(-1, 4096)",
        "import ctypes, os\nif ctypes.CDLL(None, use_errno=True).shmget(0, 4096, 0o1600) < 0:"
        "\n    raise OSError(os.strerror(ctypes.get_errno()))",
        "import ctypes, os\nif ctypes.CDLL(None, use_errno=True).msgget(0, 0o1600) < 0:"
        "\n    raise OSError(os.strerror(ctypes.get_errno()))",
    ],
)
def test_no_memory_is_hidden_from_the_count(code: str, isolation_mode: str) -> None:
    if platform.machine() not in system_calls.ARCHITECTURES:
        pytest.skip("the filter of system calls has no numbers for this machine")
    assert "Function not implemented" in execute_failing(code)[1]
    assert execute("import mmap\nmmap.mmap(-1, 4096, flags=mmap.MAP_PRIVATE)\nreturn {}")["items"] == [{}]


def test_the_result_is_limited(isolation_mode: str) -> None:
    assert execute_failing("return 'a' * 5_000_000")[0] == "too_large"
    assert execute_failing("return ['é' * 1000] * 1000")[0] == "too_large", "as it is written"
    assert len(execute("return 'a' * 4_000_000")["items"][0]["value"]) == 4_000_000


def test_the_log_is_limited(isolation_mode: str) -> None:
    result = execute("for n in range(100000): print(n)\nreturn {}")
    assert result["items"] == [{}]
    assert result["log"][:2] == ["0", "1"] and result["log"][-1] == "… and more" and len(result["log"]) == 201
    result = execute("print('x' * 10**7)\nreturn {}")
    assert [len(line) for line in result["log"]] == [1_000, len("… and more")]


def test_files_are_limited(isolation_mode: str) -> None:
    error_code, message = execute_failing(
        "with open('big', 'wb') as file:\n    while True: file.write(bytes(1 << 20))"
    )
    assert error_code == "code_failed" and "OSError: [Errno 27] File too large" in message
    text = "import os\nfiles = []\nwhile True: files.append(open(os.devnull))"
    assert "Too many open files" in execute_failing(text)[1]


def test_the_number_and_the_size_of_files_are_limited(isolation_mode: str) -> None:
    if isolation_mode == "no_namespaces":
        pytest.skip("needs namespaces")
    for code in (
        "for n in range(100_000): open(f'{n}', 'w').close()",
        "import os\nfor n in range(100_000): os.mkdir(f'{n}')",
        "import os\nfor n in range(100_000): os.symlink('x', f'{n}')",
        "open('x', 'w').close()\nimport os\nfor n in range(100_000): os.link('x', f'{n}')",
        "for n in range(64): open(f'{n}', 'wb').write(bytes(4 << 20))",
    ):
        assert "OSError: [Errno 28] No space left on device" in execute_failing(code)[1]


def test_calls_at_the_same_time_have_processes_of_their_own(isolation_mode: str) -> None:
    if isolation_mode == "no_namespaces":
        pytest.skip("needs namespaces")
    many = FORK.format(prefix="pass") + "for _ in range(25): start(lambda: None)\n"
    event = build_event(f"{many}time.sleep(60)", seconds=60)
    program = f"from code_runner import run_code; run_code.handler({event!r}, None)"
    folder = Path(run_code.__file__).parents[1]
    with subprocess.Popen([sys.executable, "-c", program], env={"PYTHONPATH": str(folder)}) as other:
        try:
            wait_until(lambda: len(process_tree.list_descendants(process_tree.list_children(other.pid))) > 25)
            assert execute(f"{many}return {{}}") == {"items": [{}], "log": []}
        finally:
            for pid in process_tree.list_descendants({other.pid}):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize(
    "code",
    [
        "import os, time\nwhile True:\n    try: os.fork()\n    except OSError: time.sleep(0.01)",
        "import threading, time\nwhile True:\n    try: threading.Thread(target=time.sleep, args=(99,)).start()\n"
        "    except RuntimeError: pass",
    ],
)
def test_processes_and_threads_are_limited(code: str, isolation_mode: str) -> None:
    if isolation_mode == "no_namespaces" and os.getuid() == 0 and "fork" in code:
        pytest.skip("root's processes are not limited")
    assert execute_failing(code, seconds=1)[0] in ("code_timeout", "code_failed", "code_out_of_memory")


# Isolation


@pytest.mark.parametrize(
    "code",
    [
        "import threading, time\nthreading.Thread(target=time.sleep, args=(60,)).start()\nreturn {}",
        "import subprocess, sys\nslow = [sys.base_prefix + '/bin/python3', '-c', 'import time; time.sleep(60)']\n"
        "subprocess.Popen(slow)\nreturn {}",
        "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0: time.sleep(60)\n    os._exit(0)\n"
        "time.sleep(0.1)\nreturn {}",
        "import os, time\nif os.fork() == 0:\n    while True: print('x' * 999)\nreturn {}",
    ],
)
def test_no_process_survives_the_call(code: str, isolation_mode: str) -> None:
    assert execute(code)["items"] == [{}]


@pytest.mark.parametrize("code", ["os.kill(os.getppid(), 9)", "os.kill(os.getpid(), 9)", "os.killpg(0, 9)"])
def test_code_cannot_kill_other_processes(code: str, isolation_mode: str) -> None:
    result = execute(f"import os\n{code}\nreturn {{'lives': 1}}")
    assert result.get("items", [{"lives": 1}]) == [{"lives": 1}]
    assert "items" in result or result["error"]["code"] == "code_failed"


def test_code_cannot_read_secrets(
    isolation_mode: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary-of-the-environment")
    (tmp_path / "secret").write_text("canary-of-a-file")
    tmp_path.chmod(0o755)
    probe = f"""
import glob, os
seen = [repr(dict(os.environ))]
for name in [*glob.glob('/proc/*/environ'), '{tmp_path}/secret']:
    try: seen.append(open(name, 'rb').read().decode(errors='replace'))
    except OSError: pass
return {{'seen': seen, 'names': sorted(os.environ)}}"""
    (item,) = execute(probe)["items"]
    assert not any(name.startswith("AWS") for name in item["names"])
    assert set(item["names"]) <= {"LD_LIBRARY_PATH", "LC_CTYPE"}
    if os.getuid() or isolation_mode == "namespaces":  # root reads everything
        assert "canary-of-the-environment" not in str(item["seen"])
    assert "canary-of-a-file" not in str(item["seen"]) or isolation_mode == "no_namespaces"


def test_a_system_forbid_namespaces_is_told_of(
    isolation_mode: str, capfd: pytest.CaptureFixture[str]
) -> None:
    (item,) = execute("import os\nreturn {'first': os.getpid() == 1}")["items"]
    is_logged = "code is executed without isolation: [Errno" in capfd.readouterr().err
    assert (item["first"], is_logged) == ((True, False) if isolation_mode == "namespaces" else (False, True))


def test_a_reused_execution_environment_is_cleared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolation, "ON_LAMBDA", True)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "file").write_text("left")
    (tmp_path / "closed" / "inner").mkdir(parents=True)
    (tmp_path / "closed" / "inner").chmod(0)
    (tmp_path / "link").symlink_to("/etc/hostname")
    (tmp_path / "closed").chmod(0)
    assert execute("return {}")["items"] == [{}]
    assert list(tmp_path.iterdir()) == [] and Path("/etc/hostname").exists()


def test_isolated_code_has_no_privileges_network_or_files(isolation_mode: str) -> None:
    if isolation_mode == "no_namespaces":
        pytest.skip("needs namespaces")
    (item,) = execute(
        "import os, socket\nreturn {'files': os.listdir('/'), 'pid': os.getpid(), 'uid': os.getuid(),"
        " 'networks': [name for _, name in socket.if_nameindex()], 'here': os.listdir('.')}"
    )["items"]
    allowed = {"tmp", "dev", "usr", "lib", "lib64", Path(sys.base_prefix).parts[1]}
    assert set(item["files"]) <= allowed and item["pid"] == 1 and item["here"] == []
    assert item["uid"] != 0 and set(item["networks"]) <= {"lo"}
    for code in (
        "open('/usr/new', 'w')",
        f"open({sys.base_prefix + '/new'!r}, 'w')",
        "import os; os.chroot('/tmp')",
        "import os; os.setuid(0)",
        "import socket; socket.create_connection(('1.1.1.1', 53), 1)",
        "import ctypes; assert ctypes.CDLL(None).unshare(0x10000000) == 0",
        "import ctypes; assert ctypes.CDLL(None).umount(b'/usr') == 0",
        "import ctypes; assert ctypes.CDLL(None).mount(b'a', b'/tmp', b'tmpfs', 0, None) == 0",
    ):
        assert execute_failing(code)[0] == "code_failed"


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (b'{"items": [{"forged": 1}]}\n', {"items": [{"forged": 1}]}),
        (b'{"error": {"code": "code_failed", "message": "mine"}}\n', ("code_failed", "mine")),
        (b'{"error": {"code": "unauthorized", "message": "mine"}}\n', ("not_json", result_format.NOT_JSON)),
        (b'{"items": [1]}\n', ("not_json", result_format.NOT_JSON)),
        (b'{"items": [{"a": NaN}]}\n', ("not_json", result_format.NOT_JSON)),
        (b'{"items": [{"a": "\\ud800"}]}\n', ("not_json", result_format.NOT_JSON)),
        (b'{"items": ' + b"[" * 200_000 + b"\n", ("not_json", result_format.NOT_JSON)),
        (b"\xff\n", ("not_json", result_format.NOT_JSON)),
        (b"\n", ("not_json", result_format.NOT_JSON)),
        (b'{"items": [{"forged": 1}]}', ("code_failed", "The process ended without a result: status 0")),
    ],
)
def test_code_can_forge_only_its_own_result(written: bytes, expected: Any, isolation_mode: str) -> None:
    code = f"""
import os, sys
for descriptor in range(3, 64):
    try:
        left = {written!r}
        while left: left = left[os.write(descriptor, left):]
    except OSError: pass
os._exit(0)"""
    result = execute(code)
    assert result["log"] == []
    assert ("items" in result and {"items": result["items"]} == expected) or tuple(
        result.get("error", {}).values()
    ) == expected


def test_a_result_over_the_limit_is_not_read(isolation_mode: str) -> None:
    code = """
import os
for descriptor in range(3, 64):
    try:
        while True: os.write(descriptor, b'x' * 65536)
    except OSError: pass"""
    assert execute_failing(code) == ("too_large", result_format.TOO_LARGE)


def test_a_printed_result_is_only_logged(isolation_mode: str) -> None:
    result = execute("print('{\"items\": [{\"forged\": 1}]}')\nreturn {'real': 1}")
    assert result == {"items": [{"real": 1}], "log": ['{"items": [{"forged": 1}]}']}


def test_a_call_leaves_no_state_for_the_next(isolation_mode: str) -> None:
    code = """
import json, sys, os, builtins
json.dumps = lambda *_, **__: '{"items": [{"patched": 1}]}'
builtins.left = sys.left = 1
open('left', 'w').close()
os.environ['LEFT'] = '1'
return {'real': 1}"""
    assert execute(code)["items"] == [{"patched": 1}]
    probe = """
import sys, os, builtins
seen = [hasattr(sys, 'left'), hasattr(builtins, 'left'), 'LEFT' in os.environ, os.path.exists('left')]
return {'left': seen}"""
    assert execute(probe)["items"] == [{"left": [False] * 4}]
