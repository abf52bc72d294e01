"""The tasks of the conformance suite."""

import time
from dataclasses import dataclass

import wxec
from wxec import Receiver, Sender, TaskError, task, u64


@dataclass
class Point:
    """A place in the plane."""

    x: int
    y: int


@task
def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


@task
def greet(name: str) -> str:
    """Greets by name."""
    return f"Hello, {name}!"


@task
def reverse(data: bytes) -> bytes:
    """Reverses bytes."""
    return data[::-1]


@task
def scale(x: float, by: float) -> float:
    """Multiplies two numbers."""
    return x * by


@task
def negate(flag: bool) -> bool:
    return not flag


@task
def sum(numbers: list[int]) -> int:
    total = 0
    for number in numbers:
        total += number
    return total


@task
def tally(words: list[str]) -> dict[str, u64]:
    """Counts how often each word occurs."""
    counts = {}
    for word in sorted(words):
        counts[word] = counts.get(word, 0) + 1
    return counts


@task
def first(numbers: list[int]) -> int | None:
    return numbers[0] if numbers else None


@task
def swap(point: Point) -> Point:
    return Point(x=point.y, y=point.x)


@task
def pair(a: str, b: int) -> tuple[int, str]:
    return b, a


@task
def or_default(number: int | None = None) -> int:
    return 42 if number is None else number


@task
def nothing() -> None:
    pass


class Failure(TaskError):
    """The error of `fail`."""


@task(raises=Failure)
def fail(message: str) -> None:
    raise Failure(message, data={"code": 7}) from ValueError("because of the test")


@task
def crash(message: str) -> None:
    raise RuntimeError(message)


@task
def trap() -> None:
    wxec.trap()


@task
def say(level: int, message: str) -> None:
    wxec.log(level, message, target="conformance")


@task
def print(message: str) -> None:
    import builtins
    import sys

    builtins.print(message)
    builtins.print(message, file=sys.stderr)


@task
def total(numbers: Receiver[int]) -> int:
    """Adds numbers as they come."""
    total = 0
    for number in numbers:
        total += number
    return total


@task
def count_to(n: int, out: Sender[int]) -> None:
    """Sends the numbers from 1 to `n`."""
    for number in range(1, n + 1):
        out.send(number)


@task
def double(numbers: Receiver[int], out: Sender[int]) -> None:
    """Sends each number twice as large."""
    for number in numbers:
        out.send(number * 2)


@task
def until_cancelled() -> None:
    while not wxec.cancelled():
        time.sleep(0.001)
    wxec.log.info("cancelled", target="conformance")


class NotRun(TaskError):
    """A program cannot be run."""


@task(raises=NotRun)
def run(program: str, arguments: list[str], input: bytes) -> tuple[int, bytes]:
    """Runs a program, and returns its exit code and its stdout."""
    try:
        ended = wxec.run(program, arguments, input, stderr="inherit")
    except OSError as error:
        raise NotRun(f"{program}: {error}") from error
    return (-1 if ended.code is None else ended.code), ended.stdout


class Unreadable(TaskError):
    """A file cannot be read."""


@task(raises=Unreadable)
def read(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError as error:
        raise Unreadable(f"{path}: {error.strerror}") from error


class Unwritable(TaskError):
    """A file cannot be written."""


@task(raises=Unwritable)
def write(path: str, text: str) -> None:
    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise Unwritable(f"{path}: {error.strerror}") from error


@task
def spin() -> None:
    while True:
        pass


@task
def hog() -> None:
    kept = []
    while True:
        kept.append(bytearray(b"x" * (1 << 20)))
