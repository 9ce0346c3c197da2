"""Receptive fields: the input positions that each unit of each tensor depends on, followed through every op of a trace.

The terms, for an input of 1×3×56×56:

- *unit*: one element of a tensor. *Position*: one index along a spatial axis of the input, such as row 5 of 56.
- *axis*: a spatial axis of the input, by its number: 0 for the 56 rows, 1 for the 56 columns.
- *field*: the interval of positions along one axis that a unit depends on. After a 3×3 convolution with padding 1 the
  field of the units in row 5 is 4 … 6 on axis 0. A ``Field`` has the fields of all units along one axis.
- *factor*: a dimension is a product of factors. 56 rows viewed as 8 windows of 7 rows have two factors on axis 0, of
  size 8 and stride 7 and of size 7 and stride 1: row = 7·window + row within the window.
- *layout*: the factors of every dimension of a tensor, as a torch tensor has strides. Views and permutations change
  the layout alone, so they and their inverses lose nothing, and attention within windows is followed exactly.
- *plain*: without positions, such as a batch, channels or heads.
- *blurred*: with positions that cannot be distinguished any more, such as 196 patches concatenated with a class token.
  Only their *region* is known: for each axis, the first and last position that they depend on together.
- *untracked*: mixing positions in a way that is not followed, such as a gather. Nothing is guessed about its result.
"""

from netscope.analysis.receptive_field.propagate import compute_receptive_fields

__all__ = ["compute_receptive_fields"]
