# Imports the files of a script, and finds, calls and describes its tasks. Part of the runtime module.

import sys

import _wxec
from _frozen_importlib import ModuleSpec

OWN = set()
TASKS = []


class Importer:
    """Imports from the files that the runtime module was given."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        base = name.replace(".", "/")
        for file, is_package in ((base + "/__init__.py", True), (base + ".py", False)):
            if _wxec.source(file) is not None:
                return ModuleSpec(name, Importer, origin=file, is_package=is_package)
        if TASKS:
            # Another importer comes first for what the interpreter itself has.
            why = f"`{name}` is not in the module: import it at the top of a file"
            raise ModuleNotFoundError(why, name=name)
        return None

    @staticmethod
    def create_module(spec):
        return None

    @staticmethod
    def exec_module(module):
        file = module.__file__ = module.__spec__.origin
        exec(compile(_wxec.source(file), file, "exec"), module.__dict__)

    @staticmethod
    def get_source(name):
        spec = Importer.find_spec(name)
        return _wxec.source(spec.origin) if spec else None


def load(paths):
    """Imports all files of the script, and returns the descriptions of its tasks."""
    sys.meta_path.append(Importer)
    OWN.update(paths)
    import wxec

    for path in sorted(paths):
        name = path[: -len(".py")].removesuffix("/__init__").replace("/", ".")
        __import__(name)
    TASKS.extend(wxec._tasks)
    return [task.description for task in TASKS]


def refresh():
    """Replaces what the image has of the machine that it was made on."""
    random = sys.modules.get("random")
    if random:
        random.seed(int.from_bytes(_wxec.host("random", [32])[0], "little"))
    os = sys.modules.get("os")
    if os:
        variables = _wxec.host("environment", [])[0]
        encoded = {os.environ.encodekey(key): os.environ.encodevalue(value) for key, value in variables.items()}
        os.environ._data.clear()
        os.environ._data.update(encoded)


def invoke(place, arguments):
    """Calls a task."""
    refresh()
    try:
        return TASKS[place].call(arguments)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


def column(trace):
    """Returns the column of a place in a traceback, from 1 on; 1 if the code does not know it."""
    try:
        places = list(trace.tb_frame.f_code.co_positions())
        return places[trace.tb_lasti // 2][2] + 1
    except (AttributeError, IndexError, TypeError):
        return 1


def describe(error):
    """Describes an exception: as a failure if callers know its type, else as a panic."""
    import wxec

    if wxec._is_typed(error):
        return wxec._failure(error)
    described = {"msg": f"{type(error).__name__}: {error}"}
    if isinstance(error, SyntaxError):
        described |= {"file": error.filename, "line": error.lineno, "column": error.offset}
        described["msg"] = f"{type(error).__name__}: {error.msg}"
    else:
        trace = error.__traceback__
        while trace is not None:
            file = trace.tb_frame.f_code.co_filename
            if file in OWN:
                described |= {"file": file, "line": trace.tb_lineno, "column": column(trace)}
            trace = trace.tb_next
    return {key: value for key, value in described.items() if value is not None}
