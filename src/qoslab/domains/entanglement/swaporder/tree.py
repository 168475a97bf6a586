"""Orders as binary trees: building the classic ones, ranks, and all trees of a path."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

__all__ = ["Tree", "all_trees", "balanced", "from_sequence", "left_to_right", "ranks", "right_to_left"]

Tree = tuple["Tree | None", int, "Tree | None"]
"""(tree of the left segment, node that swaps last, tree of the right segment); None is a single link."""


def from_sequence(order: Sequence[int], links: int) -> Tree | None:
    """The tree of an order in which repeaters swap one after another.

    Args:
        order: Every repeater 1..links - 1 once, the first to swap first.
        links: Number of links.

    Raises:
        ValueError: Some repeater is missing or stands twice.
    """
    if sorted(order) != list(range(1, links)):
        message = f"a swap order names each of the repeaters 1..{links - 1} once, not {list(order)}"
        raise ValueError(message)
    starts: dict[int, tuple[int, Tree | None]] = {i: (i + 1, None) for i in range(links)}
    ends = {i + 1: i for i in range(links)}
    for node in order:
        i = ends.pop(node)
        j, right = starts.pop(node)
        starts[i] = (j, (starts[i][1], node, right))
        ends[j] = i
    return starts[0][1]


def left_to_right(links: int) -> Tree | None:
    """Repeaters swap from left to right."""
    return from_sequence(range(1, links), links)


def right_to_left(links: int) -> Tree | None:
    """Repeaters swap from right to left."""
    return from_sequence(range(links - 1, 0, -1), links)


def balanced(links: int, *, mirrored: bool = False) -> Tree | None:
    """In every level each second of the remaining repeaters swaps, from the left or from the right."""
    remaining = list(range(1, links))
    order: list[int] = []
    while remaining:
        turned = remaining[::-1] if mirrored else remaining
        order += turned[::2]
        remaining = sorted(turned[1::2])
    return from_sequence(order, links)


def ranks(tree: Tree | None, links: int) -> list[int]:
    """Parallel ranks of all nodes 0..links: those of equal rank may swap together; the ends stand highest.

    A node's rank is the height of its swap in the tree, so two nodes of equal rank are never neighbours among
    the nodes that remain: between them stands the node that joins their segments, and it is of higher rank.
    """
    found = [0] * (links + 1)

    def visit(node: Tree | None) -> int:
        if node is None:
            return -1
        found[node[1]] = 1 + max(visit(node[0]), visit(node[2]))
        return found[node[1]]

    found[0] = found[links] = visit(tree) + 1
    return found


def all_trees(i: int, j: int) -> Iterator[Tree | None]:
    """All trees over the segment from node i to node j: Catalan(j - i - 1) of them."""
    if j == i + 1:
        yield None
    for k in range(i + 1, j):
        rights = list(all_trees(k, j))
        for left in all_trees(i, k):
            for right in rights:
                yield left, k, right
