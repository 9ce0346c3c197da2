"""Topics of the findings about a diff, the most important first."""

import re
from enum import IntEnum
from typing import NamedTuple


class Topic(IntEnum):
    """What a finding is about, in the order in which people name the changes between two architectures."""

    KIND = 0
    GROUPS = 1
    KERNEL = 2
    STRIDE = 3
    ACTIVATION = 4
    CAUSAL = 5
    DTYPE = 6
    VOCABULARY = 7
    BIAS = 8
    WIDTH = 9
    DEPTH = 10
    OPTION = 11
    DROPOUT = 12
    REST = 13
    UNUSED = 14


class Finding(NamedTuple):
    """A part of the sentence about a diff."""

    topic: Topic
    text: str


_TOPICS = (
    (Topic.GROUPS, re.compile(r"(num_)?groups|n_?heads?|(num_)?(\w+_)?heads")),
    (Topic.KERNEL, re.compile(r"kernel_size|(sliding_)?window(_size)?|patch_size")),
    (Topic.STRIDE, re.compile(r"stride|dilation|output_stride|shift_size|scale_factor|padding")),
    (Topic.CAUSAL, re.compile(r"(is_)?causal")),
    (Topic.DTYPE, re.compile(r".*\.(dtype|requires_grad)")),
    (Topic.VOCABULARY, re.compile(r"num_embeddings|(.*_)?vocab_size")),
    (Topic.BIAS, re.compile(r"(.*_)?bias")),
    (
        Topic.WIDTH,
        re.compile(
            r"out_(channels|features)|embed(ding)?_dim|(\w+_)?(hidden|inner|intermediate)_(size|dim)|d_model|nf"
        ),
    ),
    (Topic.DEPTH, re.compile(r"n_layers?|num_(hidden_)?layers|depths?")),
    (Topic.DROPOUT, re.compile(r"(.*_)?eps(ilon)?|p|momentum|.*drop.*|padding_idx|approximate")),
    (Topic.REST, re.compile(r"own_params|ceil_mode|output_size|.*token_id|initializer_range|model_type")),
)
"""Topics of attributes by their whole names; any other is an option of its module."""


def find_topic_of_name(name: str) -> Topic:
    """Returns what a hyperparameter is about."""
    return next((topic for topic, pattern in _TOPICS if pattern.fullmatch(name)), Topic.OPTION)
