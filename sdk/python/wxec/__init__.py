"""Tasks in Python: functions that wxec runs on other hosts, and what they may ask of their host.

    from wxec import task

    @task
    def count(text: str) -> int:
        return len(text.split())

A task stays an ordinary function, so that tests may call it.
"""

import types as _types

try:
    from _wxec import host as _ask
except ImportError:  # Not in a module: in a test, or in an editor.
    _ask = None

_tasks = []


class TaskError(Exception):
    """An error that callers know: its class is the error's type. `data` travels as well.

    Any other exception ends the call as a panic, unless the task names its class in `raises`.
    """

    def __init__(self, *args, data=None):
        super().__init__(*args)
        self.data = data


class HostError(TaskError):
    """The host refused something, or failed. `kind` is such as `NotFound` or `PermissionDenied`."""

    def __init__(self, error):
        super().__init__(error["msg"])
        self.kind = error["kind"]
        self.need = error.get("need")


def _host(name, *arguments):
    if _ask is None:
        raise RuntimeError(f"`{name}` needs a host: the function runs outside of wxec")
    value, error = _ask(name, list(arguments))
    if error is not None:
        raise HostError(error)
    return value


# Numbers of a certain width: `def f(n: u64)`. In Python all of them are `int`.
def _integer(name):
    return type(name, (int,), {"__doc__": f"An integer of Rust's type `{name}`, in annotations."})


i8, i16, i32, i64 = map(_integer, ("i8", "i16", "i32", "i64"))
u8, u16, u32, u64 = map(_integer, ("u8", "u16", "u32", "u64"))
_INTEGERS = {one: one.__name__ for one in (i8, i16, i32, i64, u8, u16, u32, u64)}


class Sender:
    """The end of a channel that sends items to the caller: `def f(out: Sender[int])`."""

    __class_getitem__ = classmethod(_types.GenericAlias)

    def __init__(self, channel, convert=None):
        self._channel = channel

    def send(self, item):
        """Sends an item, and waits while too many are under way. Fails once the receiver is gone."""
        _host("send", self._channel, _plain(item))

    def close(self):
        _host("close", self._channel)


class Receiver:
    """The end of a channel that receives items of the caller: `for item in receiver`."""

    __class_getitem__ = classmethod(_types.GenericAlias)

    def __init__(self, channel, convert=None):
        self._channel = channel
        self._convert = convert

    def __iter__(self):
        return self

    def __next__(self):
        return self.receive()

    def receive(self, timeout=None):
        """Returns the next item. Raises StopIteration at the end, and HostError after `timeout`
        seconds."""
        items = _host("receive", self._channel, None if timeout is None else int(timeout * 1000))
        if not items:
            raise StopIteration
        return self._convert(items[0]) if self._convert else items[0]

    def close(self):
        _host("close", self._channel)


class _Log:
    """Records for the log of the caller: `log.info("message", target="words")`."""

    def __call__(self, level, message, target=""):
        """Logs at a level from 1, an error, to 5, a trace."""
        _host("log", level, target, str(message))

    def error(self, message, target=""):
        self(1, message, target)

    def warning(self, message, target=""):
        self(2, message, target)

    def info(self, message, target=""):
        self(3, message, target)

    def debug(self, message, target=""):
        self(4, message, target)

    def trace(self, message, target=""):
        self(5, message, target)


log = _Log()


def cancelled():
    """Returns true if the call is no longer wanted."""
    return _host("cancelled")


def trap():
    """Ends the call at once, without an error of its own."""
    _host("trap")


class Stream:
    """A stream of bytes: a pipe of a process, or a connection."""

    def __init__(self, handle):
        self.handle = handle

    def read(self, length=65536):
        """Returns at most `length` bytes; none at the end."""
        return _host("stream_read", self.handle, length)

    def read_all(self):
        """Returns all bytes to the end."""
        return b"".join(iter(self.read, b""))

    def write(self, data):
        """Writes all bytes."""
        rest = memoryview(data)
        while rest:
            rest = rest[_host("stream_write", self.handle, bytes(rest[:65536])) :]

    def set_timeout(self, seconds=None):
        """Bounds the wait of reads, or takes the bound away."""
        ms = -1 if seconds is None else int(seconds * 1000)
        _host("stream_timeout", self.handle, 0, ms)

    def close(self):
        _host("stream_close", self.handle)


class Ended:
    """The end of a process: its exit code or signal, and its output if that was piped."""

    def __init__(self, code, signal, stdout=b"", stderr=b""):
        self.code, self.signal, self.stdout, self.stderr = code, signal, stdout, stderr

    def __repr__(self):
        return f"Ended(code={self.code}, signal={self.signal})"


class Process:
    """A program of the host that was started. `stdin`, `stdout` and `stderr` are streams if piped."""

    def __init__(self, handle, started):
        self._handle = handle
        self.id = started["id"]
        pipes = (started.get(name) for name in ("stdin", "stdout", "stderr"))
        pipes = (None if pipe is None else Stream(pipe) for pipe in pipes)
        self.stdin, self.stdout, self.stderr = pipes

    def wait(self):
        """Waits until it has ended."""
        return Ended(**_host("process_wait", self._handle)[1])

    def poll(self):
        """Returns how it ended, or None."""
        end = _host("process_try_wait", self._handle)[1]
        return end and Ended(**end)

    def kill(self, signal=9):
        _host("process_kill", self._handle, signal)

    def communicate(self, input=b""):
        """Writes `input`, closes its stdin, reads its output and waits. Input and output move
        together, so that neither side waits for the other for ever."""
        rest, stdin = memoryview(input), self.stdin
        outputs = {pipe: [] for pipe in (self.stdout, self.stderr) if pipe}
        reading = list(outputs)
        while stdin or reading:
            if stdin and not rest:
                stdin.close()
                stdin = None
                continue
            write = [stdin.handle] if stdin else []
            question = {"write": write, "read": [pipe.handle for pipe in reading]}
            place, _ = _host("stream_select", question)
            if place < len(write):
                try:
                    rest = rest[_host("stream_write", stdin.handle, bytes(rest[:65536])) :]
                except HostError as error:
                    # A program may end without reading its input.
                    if error.kind != "BrokenPipe":
                        raise
                    rest = b""
            else:
                pipe = reading[place - len(write)]
                part = pipe.read()
                if part:
                    outputs[pipe].append(part)
                else:
                    reading.remove(pipe)
        ended = self.wait()
        ended.stdout = b"".join(outputs.get(self.stdout, ()))
        ended.stderr = b"".join(outputs.get(self.stderr, ()))
        return ended


def spawn(program, args=(), *, env=None, clear_env=False, cwd=None, stdin="inherit", stdout="inherit",
          stderr="inherit"):
    """Starts a program of the host. Its streams are "piped", "inherit" or "null"."""
    question = {
        "program": program, "args": list(args), "env": list((env or {}).items()),
        "clear_env": clear_env, "cwd": cwd, "stdin": stdin, "stdout": stdout, "stderr": stderr,
    }
    return Process(*_host("process_start", question))


def run(program, args=(), input=b"", **options):
    """Runs a program to its end, with its output."""
    pipes = {"stdin": "piped", "stdout": "piped", "stderr": "piped"}
    return spawn(program, args, **(pipes | options)).communicate(input)


def connect(host, port, timeout=None):
    """Connects to a port of the network."""
    ms = None if timeout is None else int(timeout * 1000)
    return Stream(_host("net_connect", {"host": host, "port": port, "timeout_ms": ms})[0])


def lookup(host):
    """Returns the addresses of a name."""
    return _host("net_lookup", {"host": host})[1]


def facts():
    """Returns facts about the host."""
    return _host("host_facts")[1]


def call(address, task, *args, timeout=None):
    """Calls a task of this module on another host, and returns its value."""
    question = {"address": address, "function": task}
    if timeout is not None:
        question["timeout_ms"] = int(timeout * 1000)
    code, reply = _host("host_call", question, [_plain(argument) for argument in args])
    if code != 0:
        raise TaskError(f"the call of `{task}` on {address} failed", data=reply)
    return reply


def task(function=None, *, raises=(), **wants):
    """Makes a function a task.

    `raises` are classes of exceptions that callers know, beside `TaskError`. The rest is what the task
    needs of its host: `read`, `write`, `run`, `env`, `net`, `host` and `ask` are lists of texts,
    `facts` and `attributes` are `True`.
    """
    if function is None:
        return lambda function: task(function, raises=raises, **wants)
    known = {"read", "write", "run", "env", "net", "host", "ask", "facts", "attributes"}
    if unknown := set(wants) - known:
        raise TypeError(f"there is no grant `{unknown.pop()}`")
    raises = raises if isinstance(raises, (tuple, list)) else (raises,)
    _tasks.append(_Task(function, tuple(raises), wants))
    return function


class _Task:
    def __init__(self, function, raises, wants):
        self.function = function
        self.raises = raises
        self.wants = {
            grant: [value] if isinstance(value, str) else value if value is True else list(value)
            for grant, value in wants.items()
        }

    # Types are read once all files are imported, so that annotations may name what comes later.
    @property
    def description(self):
        function, records = self.function, {}
        code = function.__code__
        count = code.co_argcount + code.co_kwonlyargcount
        names = code.co_varnames[:count]
        defaults = len(function.__defaults__ or ())
        optional = set(names[code.co_argcount - defaults : code.co_argcount])
        optional |= set(function.__kwdefaults__ or ())
        hints = {name: _resolved(hint, function) for name, hint in function.__annotations__.items()}
        self.names, self.optional, self.positional = names, optional, code.co_argcount
        self.converters, parameters = [], []
        for name in names:
            if name not in hints:
                raise TypeError(f"the parameter `{name}` of the task `{function.__name__}` needs a type")
            text = _notation(hints[name], records)
            if name in optional and not text.startswith("Option<"):
                text = f"Option<{text}>"
            parameters.append([name, text])
            self.converters.append(_converter(hints[name]))
        returned = hints.get("return")
        item = _item_of_stream(returned)
        self.sends = item is not None
        returns = f"Receiver<{_notation(item[0], records)}>" if item else _notation(returned, records)
        return {
            "module": function.__module__.replace(".", "::"),
            "name": function.__name__,
            "doc": _cleaned(function.__doc__),
            "parameters": parameters,
            "returns": returns,
            "error": self.raises[0].__name__ if self.raises else "",
            "wants": self.wants,
            "records": records,
        }

    def call(self, arguments):
        positional, named = [], {}
        for place, (name, value) in enumerate(zip(self.names, arguments)):
            if value is None and name in self.optional:
                # The function's own default.
                if place < self.positional:
                    positional.append(self._default(name))
                continue
            convert = self.converters[place]
            value = convert(value) if convert else value
            if place < self.positional:
                positional.append(value)
            else:
                named[name] = value
        try:
            value = self.function(*positional, **named)
            if self.sends:
                out = Sender(_host("returned"))
                for item in value:
                    out.send(item)
                return None
        except self.raises as error:
            error.__wxec_typed__ = True
            raise
        return _plain(value)

    def _default(self, name):
        defaults = self.function.__defaults__
        first = self.positional - len(defaults)
        return defaults[self.names.index(name) - first]


def _cleaned(doc):
    """Takes the indentation off a docstring."""
    lines = (doc or "").strip().splitlines()
    margins = [len(line) - len(line.lstrip()) for line in lines[1:] if line.strip()]
    margin = min(margins, default=0)
    return "\n".join(lines[:1] + [line[margin:].rstrip() for line in lines[1:]])


def _resolved(hint, owner):
    """Returns an annotation that is written as a text."""
    hint = getattr(hint, "__forward_arg__", hint)
    if not isinstance(hint, str):
        return hint
    namespace = getattr(owner, "__globals__", None)
    if namespace is None:
        import sys

        namespace = vars(sys.modules[owner.__module__])
    return eval(hint, namespace)


_PLAIN = {
    bool: "bool", int: "i64", float: "f64", str: "String", bytes: "Bytes", bytearray: "Bytes",
    None: "()", type(None): "()", object: "Value", dict: "Value", list: "Vec<Value>",
}
_STREAMS = {"Iterator", "Iterable", "Generator"}


def _parts(hint):
    """Returns the origin of a generic type, and its arguments."""
    return getattr(hint, "__origin__", None), getattr(hint, "__args__", ())


def _is_union(hint):
    origin, _ = _parts(hint)
    if isinstance(hint, getattr(_types, "UnionType", ())) or origin is getattr(_types, "UnionType", ()):
        return True
    return getattr(origin, "__name__", getattr(origin, "_name", "")) in ("Union", "Optional")


def _fields(hint):
    """Returns names and types of the fields of a dataclass or a named tuple, or None."""
    if not isinstance(hint, type):
        return None
    if hasattr(hint, "__dataclass_fields__"):
        fields = hint.__dataclass_fields__.items()
        return {name: _resolved(field.type, hint) for name, field in fields}
    if issubclass(hint, tuple) and hasattr(hint, "_fields"):
        hints = getattr(hint, "__annotations__", {})
        return {name: _resolved(hints.get(name, object), hint) for name in hint._fields}
    if issubclass(hint, dict) and hasattr(hint, "__total__"):
        return {name: _resolved(one, hint) for name, one in hint.__annotations__.items()}
    return None


def _notation(hint, records):
    """Writes a type in wxec's notation, and notes the records that it names."""
    if isinstance(hint, type) or hint is None:
        if hint in _INTEGERS:
            return _INTEGERS[hint]
        if hint in _PLAIN:
            return _PLAIN[hint]
    if getattr(hint, "_name", getattr(hint, "__name__", "")) == "Any":
        return "Value"
    origin, args = _parts(hint)
    write = lambda one: _notation(one, records)
    if _is_union(hint):
        others = [one for one in args if one is not type(None)]
        inner = write(others[0]) if len(others) == 1 else "Value"
        return inner if len(others) == len(args) else f"Option<{inner}>"
    if origin in (list, set, frozenset) or getattr(origin, "__name__", "") in ("Sequence", "Iterable"):
        return f"Vec<{write(args[0])}>"
    if origin is dict or getattr(origin, "__name__", "") in ("Mapping", "OrderedDict", "Counter"):
        value = write(args[1]) if len(args) == 2 else "i64"
        return f"BTreeMap<{write(args[0])}, {value}>"
    if origin is tuple:
        if len(args) == 2 and args[1] is Ellipsis:
            return f"Vec<{write(args[0])}>"
        inner = ", ".join(map(write, args))
        return f"({inner},)" if len(args) == 1 else f"({inner})"
    if origin in (Sender, Receiver):
        return f"{origin.__name__}<{write(args[0])}>"
    fields = _fields(hint)
    if fields is not None:
        name = hint.__name__
        if name not in records:
            records[name] = []
            records[name] = [[field, write(one)] for field, one in fields.items()]
        return name
    raise TypeError(f"a task cannot take or return a value of the type {hint!r}")


def _item_of_stream(hint):
    origin, args = _parts(hint)
    return args[:1] if args and getattr(origin, "__name__", "") in _STREAMS else None


# The records whose fields are being read.
_WITHIN = []


def _converter(hint):
    """Returns a function that makes a value of a type from what arrived, or None if that is one."""
    origin, args = _parts(hint)
    if origin in (Sender, Receiver):
        convert = _converter(args[0])
        return lambda channel: origin(channel, convert)
    if hint is bytearray:
        return bytearray
    if _is_union(hint):
        others = [one for one in args if one is not type(None)]
        convert = _converter(others[0]) if len(others) == 1 else None
        return convert and (lambda value: None if value is None else convert(value))
    if origin is tuple:
        if len(args) == 2 and args[1] is Ellipsis:
            convert = _converter(args[0]) or (lambda item: item)
            return lambda items: tuple(convert(item) for item in items)
        parts = [_converter(one) or (lambda item: item) for one in args]
        return lambda items: tuple(convert(item) for convert, item in zip(parts, items))
    if origin in (list, set, frozenset):
        convert = _converter(args[0])
        if convert is None:
            return None if origin is list else origin
        return lambda items: origin(convert(item) for item in items)
    if origin is dict:
        convert = _converter(args[1])
        return convert and (lambda entries: {key: convert(value) for key, value in entries.items()})
    fields = _fields(hint)
    if fields is not None:
        if hint in _WITHIN:
            raise TypeError(f"the record `{hint.__name__}` contains itself")
        _WITHIN.append(hint)
        try:
            parts = {name: _converter(one) or (lambda item: item) for name, one in fields.items()}
        finally:
            _WITHIN.pop()
        return lambda record: hint(**{name: parts[name](value) for name, value in record.items()})
    return None


_AS_IS = {int, float, str, bytes, bool, type(None)}


def _plain(value):
    """Makes a value of plain types."""
    kind = type(value)
    if kind in _AS_IS:
        return value
    if kind is list or kind is set or kind is frozenset:
        # Most lists hold values of one plain type.
        if kind is list and all(type(item) in _AS_IS for item in value):
            return value
        return [_plain(item) for item in value]
    if hasattr(kind, "__dataclass_fields__"):
        return {name: _plain(getattr(value, name)) for name in kind.__dataclass_fields__}
    if isinstance(value, tuple):
        if hasattr(kind, "_fields") and hasattr(kind, "__annotations__"):
            return {name: _plain(getattr(value, name)) for name in kind._fields}
        return tuple(_plain(item) for item in value)
    if isinstance(value, dict):
        return {_plain(key): _plain(part) for key, part in value.items()}
    if isinstance(value, (list, set, frozenset)):
        return [_plain(item) for item in value]
    return value


def _is_typed(error):
    return isinstance(error, TaskError) or hasattr(error, "__wxec_typed__")


def _failure(error):
    """Describes an error that callers know."""
    chain, seen = [], error
    while len(chain) < 32:
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)
        if seen is None:
            break
        chain.append(str(seen))
    kind = type(error)
    module = kind.__module__.replace(".", "::")
    return {
        "type": f"{module}::{kind.__qualname__}",
        "msg": str(error),
        "chain": chain,
        "data": _plain(getattr(error, "data", None)),
    }
