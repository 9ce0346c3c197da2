"""Checks the nesting of pickles without unpickling, because torch's recursive readers crash if it is too deep."""

import pickletools
from typing import IO, Any

MAX_DEPTH = 1_000
"""Maximum nesting of values."""

MAX_VALUES = 2_000_000
MAX_PICKLES = 5
"""Maximum number of pickles in a file; torch's format before its archives has five."""

_MUTATING_OPCODES = frozenset({"APPEND", "APPENDS", "SETITEM", "SETITEMS", "ADDITEMS", "BUILD"})
_MEMO_WRITES = frozenset({"PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"})
_MEMO_READS = frozenset({"GET", "BINGET", "LONG_BINGET"})
_MARK = -1


def check_nesting(file: IO[bytes], *, is_single: bool = False) -> None:
    """Checks that the pickles at the beginning of a file are not nested too deeply.

    Args:
        file: file to check; data after the pickles is ignored.
        is_single: whether the file must be exactly one valid pickle.

    Raises:
        ValueError: a pickle is nested too deeply, is damaged, or has too many values.
    """
    for _ in range(1 if is_single else MAX_PICKLES):
        try:
            contents = _read_contents(file)
        except (ValueError, IndexError, KeyError) as error:
            if is_single:
                raise ValueError("a pickle in it is damaged") from error
            return
        if len(contents) > MAX_VALUES:
            raise ValueError(f"it has a pickle with more than {MAX_VALUES:,} values")
        if _compute_depth(contents) > MAX_DEPTH:
            raise ValueError("it has values that are nested too deeply")


def _read_contents(file: IO[bytes]) -> list[list[int]]:
    """Reads one pickle, and returns for each value that it creates the indices of the values in it."""
    contents: list[list[int]] = []
    stack: list[int] = []
    memo: dict[Any, int] = {}
    for code, argument, _ in pickletools.genops(file):
        if code.name in _MEMO_WRITES:
            memo[len(memo) if code.name == "MEMOIZE" else argument] = stack[-1]
        elif code.name in _MEMO_READS:
            stack.append(memo[argument])
        elif code.name == "DUP":
            stack.append(stack[-1])
        elif code.name == "MARK":
            stack.append(_MARK)
        else:
            arguments = _pop_arguments(stack, [item.name for item in code.stack_before])
            if code.name in _MUTATING_OPCODES:
                # The value to change is below the values to insert.
                stack.append(arguments[-1])
                contents[arguments.pop()] += arguments
            elif code.stack_after:
                stack.append(len(contents))
                contents.append(arguments)
        if len(contents) > MAX_VALUES:
            break
    return contents


def _pop_arguments(stack: list[int], before: list[str]) -> list[int]:
    """Pops the arguments of an opcode, the last first: all values above a mark if it needs one, then fixed ones."""
    arguments: list[int] = []
    if "mark" in before:
        while (top := stack.pop()) != _MARK:
            arguments.append(top)
    arguments.extend(stack.pop() for _ in range(before.index("mark") if "mark" in before else len(before)))
    return arguments


def _compute_depth(contents: list[list[int]]) -> int:
    """Returns the maximum nesting of the values; a value that contains itself is visited once."""
    depths: dict[int, int] = {}
    for start in range(len(contents)):
        pending = [start]
        while pending:
            value = pending[-1]
            if value not in depths:
                depths[value] = 0  # until its contents are visited
                pending += [item for item in contents[value] if item not in depths]
                continue
            pending.pop()
            depths[value] = 1 + max((depths[item] for item in contents[value]), default=0)
    return max(depths.values(), default=0)
