"""Reading of log files, with regular expressions."""

import re
from dataclasses import dataclass

from wxec import TaskError, task, u64

LINE = re.compile(r'(?P<client>\S+) \S+ \S+ \[[^]]*\] "(?P<method>\S+) (?P<path>\S+)[^"]*" (?P<status>\d{3})')


@dataclass
class Route:
    """A path of a web server, and what became of the requests for it."""

    path: str
    requests: u64
    failed: u64


class NotALog(TaskError):
    """A file has no line of an access log."""


@task(raises=NotALog)
def routes(path: str) -> list[Route]:
    """Counts the requests in an access log for each path, the most frequent first."""
    routes = {}
    with open(path, encoding="utf-8") as log:
        for request in filter(None, map(LINE.match, log)):
            route = routes.setdefault(request["path"], Route(request["path"], 0, 0))
            route.requests += 1
            route.failed += request["status"] >= "400"
    if not routes:
        raise NotALog(f"{path} has no line of an access log")
    return sorted(routes.values(), key=lambda route: (-route.requests, route.path))
