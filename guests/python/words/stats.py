"""Numbers about a text."""

from collections import Counter

from wxec import task, u64


@task
def lengths(text: str) -> dict[u64, u64]:
    """Counts the words of each length, in letters."""
    return dict(sorted(Counter(map(len, text.split())).items()))
