"""A task. Call it from the folder above:

    wxec call local: ./NAME::greet you
"""

from wxec import task


@task
def greet(name: str) -> str:
    """Greets someone."""
    return f"Hello, {name}!"
