"""What is known about the standard library beyond its own source.

Colours and signatures of library functions are read from the sources of the running interpreter. Here stands only what
those sources don't say: functions written in C, results that nothing in Python's source tells, and what well-known
functions do with the functions they are given.
"""

from __future__ import annotations

from typing import Final

# Modules whose functions give numbers, text, files and the like, never something to await.
PLAIN_MODULES: Final = frozenset({"time", "json", "os", "re", "math", "random", "datetime", "subprocess", "shutil", "hashlib",
    "uuid", "logging", "base64", "pathlib", "sqlite3", "csv", "urllib", "http", "zlib", "gzip", "struct", "secrets",
    "string", "textwrap", "statistics", "decimal", "fractions", "socket", "select", "platform", "tempfile", "glob",
    "hmac", "html", "ipaddress", "calendar", "locale", "binascii", "getpass", "smtplib", "ftplib", "ssl", "sys",
    "threading", "tarfile", "zipfile", "configparser", "argparse", "traceback", "warnings", "gc", "errno", "io",
    "collections", "heapq", "bisect", "array", "difflib", "pprint", "email", "mimetypes", "fnmatch"})  # fmt: skip
# Functions of those modules that hand back what they are given.
PASSES_THROUGH: Final = frozenset({"heapq.heappop", "heapq.heappushpop", "heapq.heapreplace", "json.load", "sys.exc_info",
    "sys.intern", "collections.deque", "collections.ChainMap", "warnings.deprecated", "re.sub"})  # fmt: skip
PLAIN_BUILTINS: Final = frozenset({"print", "len", "str", "int", "float", "bool", "repr", "abs", "round", "bytes", "hash",
    "format", "ord", "chr", "any", "all", "dict", "range", "enumerate", "zip", "isinstance", "issubclass", "callable",
    "hasattr", "id", "input", "bytearray", "frozenset", "hex", "bin", "oct", "divmod", "dir", "delattr", "setattr",
    "complex", "memoryview", "ascii", "reversed", "slice", "locals", "globals"})  # fmt: skip
# Calls that give a task or future.
GIVES_AWAITABLE: Final = frozenset({"asyncio.create_task", "asyncio.ensure_future", "asyncio.gather", "asyncio.shield",
    "asyncio.wrap_future", "asyncio.Future", "asyncio.Task", "asyncio.futures.Future", "asyncio.tasks.Task",
    "builtins.anext", "asyncio.tasks.gather", "asyncio.tasks.create_task", "asyncio.tasks.ensure_future"})  # fmt: skip
# Methods of tasks and futures that give nothing to wait for.
FUTURE_METHODS: Final = frozenset({"cancel", "done", "cancelled", "set_result", "set_exception", "add_done_callback", "set_name", "get_name",
    "cancelling", "uncancel", "remove_done_callback"})  # fmt: skip
AWAITABLE_TYPES: Final = frozenset({"Awaitable", "Coroutine", "Future", "Task", "CoroutineType"})
LOCKS: Final = frozenset({"threading.Lock", "threading.RLock", "threading.Condition", "threading.Semaphore",
    "threading.BoundedSemaphore", "multiprocessing.Lock", "multiprocessing.RLock", "multiprocessing.Semaphore",
    "_thread.allocate_lock", "_thread.RLock"})  # fmt: skip
# An event loop, and the functions that hand out one.
LOOP: Final = "asyncio.AbstractEventLoop"
LOOP_GETTERS: Final = frozenset({"asyncio.get_running_loop", "asyncio.get_event_loop", "asyncio.new_event_loop"})
# What is known about instances that C code or the library's factories make: which special methods they have.
OBJECTS: Final = {
    LOOP: frozenset[str](),
    **dict.fromkeys(LOCKS, frozenset({"__enter__"})),
    "builtins.open": frozenset({"__enter__", "__iter__"}),
    "multiprocessing.Pool": frozenset({"__enter__"}),
    "threading.Event": frozenset[str](),
    "tempfile.TemporaryDirectory": frozenset({"__enter__"}),
    "tempfile.NamedTemporaryFile": frozenset({"__enter__", "__iter__"}),
    "sqlite3.connect": frozenset({"__enter__"}),
    "socket.socket": frozenset({"__enter__"}),
    "concurrent.futures.ThreadPoolExecutor": frozenset({"__enter__"}),
    "concurrent.futures.ProcessPoolExecutor": frozenset({"__enter__"}),
    "contextlib.suppress": frozenset({"__enter__"}),
    "contextlib.ExitStack": frozenset({"__enter__"}),
    "contextlib.nullcontext": frozenset({"__enter__", "__aenter__"}),
    "contextlib.AsyncExitStack": frozenset({"__aenter__"}),
    "contextlib.closing": frozenset({"__enter__"}),
    "contextlib.aclosing": frozenset({"__aenter__"}),
    "asyncio.Lock": frozenset({"__aenter__"}),
    "asyncio.Condition": frozenset({"__aenter__"}),
    "asyncio.Semaphore": frozenset({"__aenter__"}),
    "asyncio.BoundedSemaphore": frozenset({"__aenter__"}),
    "asyncio.TaskGroup": frozenset({"__aenter__"}),
    "asyncio.timeout": frozenset({"__aenter__"}),
    "asyncio.timeout_at": frozenset({"__aenter__"}),
    "asyncio.Event": frozenset[str](),
    "asyncio.Queue": frozenset[str](),
    "asyncio.PriorityQueue": frozenset[str](),
    "asyncio.LifoQueue": frozenset[str](),
    "asyncio.Runner": frozenset({"__enter__"}),
    "queue.Queue": frozenset[str](),
    "queue.LifoQueue": frozenset[str](),
    "queue.PriorityQueue": frozenset[str](),
    "queue.SimpleQueue": frozenset[str](),
}
# Methods of such objects that are coroutine functions, and those that aren't though they look so.
ASYNC_METHODS: Final = {
    "asyncio.Lock": frozenset({"acquire"}),
    "asyncio.Condition": frozenset({"acquire", "wait", "wait_for"}),
    "asyncio.Semaphore": frozenset({"acquire"}),
    "asyncio.BoundedSemaphore": frozenset({"acquire"}),
    "asyncio.Event": frozenset({"wait"}),
    "asyncio.Queue": frozenset({"get", "put", "join"}),
    "asyncio.PriorityQueue": frozenset({"get", "put", "join"}),
    "asyncio.LifoQueue": frozenset({"get", "put", "join"}),
    "contextlib.AsyncExitStack": frozenset({"aclose", "enter_async_context"}),
    "async generator": frozenset({"aclose", "asend", "athrow", "__anext__"}),
}
SYNC_METHODS: Final = {
    "container": frozenset(
        {
            "append",
            "add",
            "extend",
            "insert",
            "remove",
            "discard",
            "clear",
            "sort",
            "reverse",
            "update",
            "index",
            "count",
        }
    ),
    "plain": frozenset(
        {
            "items",
            "keys",
            "values",
            "split",
            "rsplit",
            "splitlines",
            "strip",
            "lstrip",
            "rstrip",
            "lower",
            "upper",
            "format",
            "encode",
            "decode",
            "join",
            "replace",
            "startswith",
            "endswith",
            "count",
            "index",
            "append",
            "extend",
            "sort",
            "title",
        }
    ),
    "asyncio.Lock": frozenset({"release", "locked"}),
    "asyncio.Condition": frozenset({"release", "locked", "notify", "notify_all"}),
    "asyncio.Semaphore": frozenset({"release", "locked"}),
    "asyncio.BoundedSemaphore": frozenset({"release", "locked"}),
    "asyncio.Event": frozenset({"set", "clear", "is_set"}),
    "asyncio.Queue": frozenset({"get_nowait", "put_nowait", "qsize", "empty", "full", "task_done"}),
    **dict.fromkeys(
        ("queue.Queue", "queue.LifoQueue", "queue.PriorityQueue", "queue.SimpleQueue"),
        frozenset({"put", "put_nowait", "get", "join", "task_done", "empty", "full", "qsize"}),
    ),
    "threading.Event": frozenset({"set", "clear", "is_set", "wait"}),
    **dict.fromkeys(LOCKS, frozenset({"acquire", "release", "locked", "notify", "notify_all"})),
}
EXECUTOR_CLASSES: Final = frozenset({"concurrent.futures.ThreadPoolExecutor", "concurrent.futures.ProcessPoolExecutor",
    "concurrent.futures.thread.ThreadPoolExecutor", "concurrent.futures.process.ProcessPoolExecutor"})  # fmt: skip
