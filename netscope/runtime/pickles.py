"""How deeply a pickle nests, found without unpickling: torch's readers recurse, and crash where it is too deep."""

import pickletools
from typing import IO, Any

DEEPEST = 1_000
"""Of values in values."""

MOST_VALUES = 2_000_000
MOST_PICKLES = 5
"""In one file: what torch wrote before its archives has as many."""

_CHANGES = frozenset({"APPEND", "APPENDS", "SETITEM", "SETITEMS", "ADDITEMS", "BUILD"})
_KEEPS = frozenset({"PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"})
_GIVES = frozenset({"GET", "BINGET", "LONG_BINGET"})
_MARK = -1


def check_nesting(file: IO[bytes], *, is_whole: bool = False) -> None:
    """Checks that the pickles at the beginning of a file are not too deep.

    Args:
        file: what is no pickle in it is left to its reader.
        is_whole: whether it is one pickle, and damaged if it is none.

    Raises:
        ValueError: one is too deep, damaged, or has more values than any file of weights.
    """
    for _ in range(1 if is_whole else MOST_PICKLES):
        try:
            inside = _values(file)
        except (ValueError, IndexError, KeyError) as error:
            if is_whole:
                raise ValueError("a pickle in it is damaged") from error
            return
        if len(inside) > MOST_VALUES:
            raise ValueError("it has a pickle with more values than any file of weights")
        if _depth(inside) > DEEPEST:
            raise ValueError("it has values that are nested too deeply")


def _values(file: IO[bytes]) -> list[list[int]]:
    """Goes through one pickle, and returns for each value that it makes which other values are in it."""
    inside: list[list[int]] = []
    stack: list[int] = []
    memo: dict[Any, int] = {}
    for code, argument, _ in pickletools.genops(file):
        if code.name in _KEEPS:
            memo[len(memo) if code.name == "MEMOIZE" else argument] = stack[-1]
        elif code.name in _GIVES:
            stack.append(memo[argument])
        elif code.name == "DUP":
            stack.append(stack[-1])
        elif code.name == "MARK":
            stack.append(_MARK)
        else:
            taken = _taken(stack, [item.name for item in code.stack_before])
            if code.name in _CHANGES:
                # What is changed lies below what is put into it.
                stack.append(taken[-1])
                inside[taken.pop()] += taken
            elif code.stack_after:
                stack.append(len(inside))
                inside.append(taken)
        if len(inside) > MOST_VALUES:
            break
    return inside


def _taken(stack: list[int], before: list[str]) -> list[int]:
    """Takes from the stack what an opcode does, the last first: what lies above a mark, and so many more."""
    taken: list[int] = []
    if "mark" in before:
        while (top := stack.pop()) != _MARK:
            taken.append(top)
    taken.extend(stack.pop() for _ in range(before.index("mark") if "mark" in before else len(before)))
    return taken


def _depth(inside: list[list[int]]) -> int:
    """The most values that lie in one another; one that holds itself is met once."""
    depths: dict[int, int] = {}
    for start in range(len(inside)):
        pending = [start]
        while pending:
            value = pending[-1]
            if value not in depths:
                depths[value] = 0  # while it is being looked into
                pending += [item for item in inside[value] if item not in depths]
                continue
            pending.pop()
            depths[value] = 1 + max((depths[item] for item in inside[value]), default=0)
    return max(depths.values(), default=0)
