"""Runs a person's Python for a node of type code → what it returned and printed, or its error.

This file is deployed alone: no layer, nothing of ours, the standard library only. Each call is carried out by a process
of its own, whose program this file is as well, so nothing of a call reaches the next one. Where Linux allows it, that
process has no network, sees no other process, and sees no files but Python's own; resource limits hold in any case.
What it answers is its own word, and is checked like a stranger's: it can forge nothing but its own answer.
"""

import ast
import contextlib
import ctypes
import json
import os
import resource
import select
import signal
import struct
import sys
import time
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

SOURCE = "<code>"
MAX_MEMORY = 512 * 2**20
MAX_PROCESSES = 32  # threads included
MAX_FILES = 64
MAX_FILE_BYTES = 16 * 2**20
MAX_ANSWER = 4 * 2**20
MAX_LOG, MAX_LINES, MAX_LINE = 16 * 1024, 200, 1_000
NOBODY = 65_534
ON_LAMBDA = __file__.startswith("/var/task/")

TOO_LARGE = f"The code returned more than {MAX_ANSWER >> 20} MB"
NOT_JSON = "What the code returned is no JSON"
# A text, since it is needed when there is no room to make one.
OUT_OF_MEMORY = '{"error": {"code": "code_out_of_memory", "message": "The code needs more than 512 MB"}}'
CODES = {"code_failed", "code_out_of_memory", "not_json", "too_large"}

# Of Linux's headers.
NEW_MOUNTS, NEW_IPC, NEW_USER, NEW_PIDS, NEW_NETWORK = 0x20000, 0x8000000, 0x10000000, 0x20000000, 0x40000000
READ_ONLY, NO_SUID, NO_DEVICES, REMOUNT, BIND, RECURSIVE, PRIVATE = 1, 2, 4, 32, 4096, 16384, 1 << 18
DEATH_SIGNAL, DUMPABLE, SUBREAPER, NO_NEW_PRIVILEGES = 1, 4, 36, 38
CAPABILITIES = struct.pack("Ii", 0x20080522, 0)


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer `{"items", "log"}` or `{"error": {"code", "message"}, "log"}`; `log` are the lines that were printed.

    The event is `{"code", "mode", "items", "variables", "trigger", "execution", "now", "timeoutSeconds"}`, with
    variables for each item, or once when the mode is `all`.
    """
    import subprocess  # late, since the process of the code has no use for them and starts with this file
    import tempfile

    others = _children()
    _control(DUMPABLE, 0)  # or the child could read our environment, with credentials in it
    _control(SUBREAPER, 1)  # so that what the child leaves behind becomes a child of ours, and can be found
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        results, theirs = os.pipe()
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-B", __file__, str(theirs)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=(theirs,),
            cwd=folder,
            env={"LD_LIBRARY_PATH": f"{sys.base_prefix}/lib"},
            start_new_session=True,
        )
        os.close(theirs)
        assert process.stdin and process.stdout
        try:
            with contextlib.suppress(BrokenPipeError), process.stdin:
                process.stdin.write(json.dumps(event).encode())
            answer, printed, in_time = _listen(process, results, event["timeoutSeconds"])
        finally:
            _end(process, others)
            os.close(results)
            process.stdout.close()
            if ON_LAMBDA:
                _clear(Path(folder))
    late = f"The code took longer than {event['timeoutSeconds']:g} s"
    told = _checked(answer, process.returncode) if in_time else _error("code_timeout", late)
    return told | {"log": _lines(printed)}


# Around the process


def _listen(process: Any, results: int, seconds: float) -> tuple[bytes, bytes, bool]:
    """The answer's line, what was printed, and whether it ended in time; neither can be longer than its bound."""
    logs = process.stdout.fileno()
    deadline = time.monotonic() + seconds
    answer, printed = bytearray(), bytearray()
    left = {results: answer, logs: printed}
    while left and not answer.endswith(b"\n") and len(answer) <= MAX_ANSWER + MAX_LOG:
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            return b"", bytes(printed), False
        ready, _, _ = select.select(list(left), [], [], min(remaining, 0.05))
        if not ready and process.poll() is not None:
            break  # whoever still holds the pipes is a process that it left behind
        for pipe in ready:
            if not (chunk := os.read(pipe, 65_536)):
                del left[pipe]
            elif pipe == results or len(printed) <= MAX_LOG:
                left[pipe].extend(chunk)
    if select.select([logs], [], [], 0)[0]:  # what was printed before the answer was given
        printed.extend(os.read(logs, 65_536))
    whole = answer.endswith(b"\n") or len(answer) > MAX_ANSWER + MAX_LOG
    return bytes(answer), bytes(printed), whole or _ended(process, deadline)


def _ended(process: Any, deadline: float) -> bool:
    """Whether a process that has closed its pipes ends by itself in time; then it is known how."""
    while process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    return process.poll() is not None


def _end(process: Any, others: set[int]) -> None:
    """Kill the process and all that came of it."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for _ in range(1_000):
        left = _children() - others
        if not left:
            return
        for pid in left:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)


def _children() -> set[int]:
    """The processes that are children of this one; none where there is no /proc."""
    found: set[int] = set()
    try:
        for task in Path("/proc/self/task").iterdir():
            with contextlib.suppress(ProcessLookupError):
                found |= {int(pid) for pid in (task / "children").read_text().split()}
    except FileNotFoundError:  # a kernel without that file, or no Linux
        for status in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                if int(status.read_text().rpartition(")")[2].split()[1]) == os.getpid():
                    found.add(int(status.parent.name))
    return found


def _clear(folder: Path) -> None:
    """Move what is left in /tmp into the folder, which is deleted next."""
    for path in folder.parent.iterdir():
        if path != folder:
            with contextlib.suppress(OSError):
                if not path.is_symlink():
                    path.chmod(0o700)
                path.rename(folder / f"left-{path.name}")


def _checked(answer: bytes, status: int) -> dict[str, Any]:
    """The answer when it has the form of one, else an error that says how the process ended."""
    if len(answer) > MAX_ANSWER + MAX_LOG:
        return _error("too_large", TOO_LARGE)
    if not answer.endswith(b"\n"):
        if status == -signal.SIGXCPU:
            return _error("code_timeout", "The code took more time than it may")
        how = f"signal {signal.Signals(-status).name}" if status < 0 else f"status {status}"
        return _error("code_failed", f"The process ended without an answer: {how}")
    try:
        found = json.loads(answer, parse_constant=_refuse)
        json.dumps(found, ensure_ascii=False).encode()  # refuses halves of characters
        match found:
            case {"items": list(items)} if all(isinstance(item, dict) for item in items):
                return {"items": items}
            case {"error": {"code": str(code), "message": str(message)}} if code in CODES:
                return _error(code, message[:2_000])
    except (ValueError, RecursionError):
        pass
    return _error("not_json", NOT_JSON)


def _error(code: str, message: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message}}


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _lines(printed: bytes) -> list[str]:
    lines = printed[:MAX_LOG].decode(errors="replace").splitlines()
    whole = len(printed) <= MAX_LOG and len(lines) <= MAX_LINES
    return [line[:MAX_LINE] for line in lines[:MAX_LINES]] + ([] if whole else ["… and more"])


# Within the process


def main() -> None:
    """Read the request, separate, and let a second process carry it out: the first one of its namespace."""
    results = int(sys.argv[1])
    os.set_inheritable(results, False)
    request = json.loads(sys.stdin.buffer.read())
    refused = _separated()
    if refused and not ON_LAMBDA:  # whose subnets and machines of one tenant do the same
        print(f"code runs beside everything else: {refused}", file=sys.stderr, flush=True)
    _control(DEATH_SIGNAL, signal.SIGKILL)  # with whoever asked, and so on
    if child := os.fork():
        os.closerange(0, results + 1)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if status < 0:
            os.kill(os.getpid(), -status)
        os._exit(status)
    if os.getpid() == 1:
        os.setsid()
    _control(DEATH_SIGNAL, signal.SIGKILL)
    _limit(request["timeoutSeconds"])
    _redirect()
    try:
        answer = _answer(request)
        with contextlib.suppress(BaseException):  # which may be the person's by now
            sys.stdout.flush()
        _write(results, answer)
    except MemoryError:
        _write(results, OUT_OF_MEMORY)
    os._exit(0)  # without waiting for threads


def _answer(request: dict[str, Any]) -> str:
    """What the code answers, as JSON on one line."""
    code, said = "code_failed", ""
    try:
        items = [item for result in _results(request) for item in _items(result)]
        code, said = "not_json", f"{NOT_JSON}: "
        text = json.dumps({"items": items}, allow_nan=False)
    except MemoryError:
        return OUT_OF_MEMORY
    except BaseException as error:
        return json.dumps(_error(code, said + _words(error)))
    return text if len(text) <= MAX_ANSWER else json.dumps(_error("too_large", TOO_LARGE))


def _results(request: dict[str, Any]) -> Iterator[Any]:
    """What the code returns, for each item or for all of them."""
    items = request["items"]
    shared = {"items": items} | {name: request[name] for name in ("trigger", "execution", "now")}
    if request["mode"] == "all":
        given = [{"variables": request["variables"][0]}]
    else:
        each = zip(items, request["variables"], strict=True)
        given = [{"item": item, "index": at, "variables": own} for at, (item, own) in enumerate(each)]
    function = _compiled(request["code"], [*shared, *given[0]])
    for own in given:
        yield function(**shared, **own)


def _compiled(code: str, names: list[str]) -> Callable[..., Any]:
    """A function of these names whose body is the code, on its own lines; raises SyntaxError."""
    body = ast.parse(code, SOURCE).body
    holder = ast.parse(f"def code({', '.join(names)}): pass")
    if body:
        holder.body[0].body = body  # type: ignore[attr-defined]
    scope: dict[str, Any] = {"__name__": "code"}
    exec(compile(holder, SOURCE, "exec"), scope)
    found: Callable[..., Any] = scope["code"]
    return found


def _items(result: Any) -> list[Any]:
    """Objects are items, and so is each element of a list or what is yielded; other values become `{"value": …}`."""
    if result is None:
        return []
    many = isinstance(result, list | tuple | types.GeneratorType)
    return [each if isinstance(each, dict) else {"value": each} for each in (result if many else [result])]


def _words(error: BaseException) -> str:
    """The type of an exception, what it says, and the last line of the person's code on its way."""
    line = error.lineno if isinstance(error, SyntaxError) and error.filename == SOURCE else None
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == SOURCE:
            line = trace.tb_lineno
        trace = trace.tb_next
    try:
        said = error.msg if isinstance(error, SyntaxError) else str(error)
        text = f"{type(error).__name__}: {said[:1_500]}"
    except BaseException:  # `__str__` is the person's as well
        text = "An exception that cannot be shown"
    return text + (f" (line {line})" if line else "")


def _write(results: int, text: str) -> None:
    left = memoryview(text.encode() + b"\n")
    with contextlib.suppress(OSError):  # the code may have closed it
        while left:
            left = left[os.write(results, left) :]


def _redirect() -> None:
    """No input; what is printed, and what is complained of, goes to the log."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(1, 2)
    os.close(nothing)
    sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        options: Any = {"encoding": "utf-8", "errors": "backslashreplace", "closefd": False}
        setattr(sys, name, os.fdopen(descriptor, "w", 1, **options))


def _limit(seconds: float) -> None:
    limits = {"CORE": 0, "CPU": int(seconds) + 2, "FSIZE": MAX_FILE_BYTES, "NOFILE": MAX_FILES}
    limits |= {"NPROC": MAX_PROCESSES, "AS": MAX_MEMORY}
    for name, bound in limits.items():
        with contextlib.suppress(ValueError, OSError):  # macOS knows no bound of memory
            resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (bound, bound))


# Linux


def _control(option: int, value: int) -> None:  # Linux's prctl
    with contextlib.suppress(AttributeError):
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _call(name: str, *arguments: Any) -> None:
    """Call the C library; raises OSError."""
    function = getattr(ctypes.CDLL(None, use_errno=True), name, None)
    if function is None or function(*arguments) != 0:
        raise OSError(ctypes.get_errno(), f"{name}: {os.strerror(ctypes.get_errno())}")


def _separated() -> str | None:
    """Leave network, processes, files and privileges behind; the reason where the system does not let us."""
    user, group = os.getuid(), os.getgid()
    namespaces = NEW_MOUNTS | NEW_IPC | NEW_PIDS | NEW_NETWORK | (NEW_USER if user else 0)
    refused = None
    try:
        _call("unshare", namespaces)
        if user:
            Path("/proc/self/setgroups").write_text("deny")
            Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
            Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
        _enter(Path.cwd())
    except OSError as error:
        refused = str(error)
    if user == 0:
        _become_nobody()
    with contextlib.suppress(OSError):
        _call("capset", CAPABILITIES, bytes(24))
    _control(NO_NEW_PRIVILEGES, 1)
    return refused


def _enter(root: Path) -> None:
    """Make a small file system in memory with Python's own files in it, and see nothing else from now on."""
    _mount("none", Path("/"), None, RECURSIVE | PRIVATE)
    _mount("tmpfs", root, b"size=64m,mode=755", NO_SUID | NO_DEVICES)
    for name in ("/usr", "/lib", "/lib64", sys.base_prefix):
        inside = root / name[1:]
        if Path(name).is_symlink():
            inside.symlink_to(Path(name).readlink())
        elif Path(name).is_dir() and not inside.exists():
            inside.mkdir(parents=True)
            _mount(name, inside, None, BIND | RECURSIVE)
            _mount("none", inside, None, BIND | REMOUNT | READ_ONLY | NO_SUID)
    (root / "dev").mkdir()
    for name in ("dev/null", "dev/urandom"):
        (root / name).touch()
        _mount(f"/{name}", root / name, None, BIND)
    (root / "tmp").mkdir()
    (root / "tmp").chmod(0o777)
    os.chroot(root)
    os.chdir("/tmp")


def _mount(source: str, target: Path, options: bytes | None, flags: int) -> None:
    _call("mount", source.encode(), bytes(target), source.encode(), ctypes.c_ulong(flags), options)


def _become_nobody() -> None:
    """Give root's rights up, unless Python's own files could not be read then."""
    with contextlib.suppress(OSError):  # in a container that has no such user
        os.chown(".", NOBODY, NOBODY)
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.seteuid(NOBODY)
        readable = Path(os.__file__).exists()
        os.seteuid(0)
        if readable:
            os.setresuid(NOBODY, NOBODY, NOBODY)


if __name__ == "__main__":
    main()
