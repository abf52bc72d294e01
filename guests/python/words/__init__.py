"""Tasks that work on texts."""

from collections import Counter

from wxec import task, u64


@task
def count(text: str) -> u64:
    """Counts the words of a text."""
    return len(text.split())


@task
def top(text: str, n: u64) -> list[tuple[str, u64]]:
    """Returns the `n` most frequent words of a text, the most frequent first, equally frequent ones in
    alphabetical order."""
    counts = Counter(text.split())
    return sorted(counts.items(), key=lambda word: (-word[1], word[0]))[:n]
