"""What layers are in attention or a gated MLP, as far as their names tell: the query, the key, all three in one, …"""

from collections.abc import Mapping
from types import MappingProxyType

Role = tuple[str, ...]
"""The parts that a layer computes, in order: ``("q",)``, or ``("q", "k", "v")`` for a fused one."""

_NAMES: Mapping[Role, str] = MappingProxyType(
    {
        ("q",): "q q_proj q_lin q_linear query query_proj to_q wq",
        ("k",): "k k_proj k_lin k_linear key key_proj to_k wk",
        ("v",): "v v_proj v_lin v_linear value value_proj to_v wv",
        ("o",): "o o_proj out out_proj out_lin proj to_out wo",
        ("q", "k", "v"): "qkv to_qkv wqkv in_proj",
        ("k", "v"): "kv to_kv wkv",
        ("gate",): "gate gate_proj",
        ("up",): "up up_proj",
        ("down",): "down down_proj",
        ("gate", "up"): "gate_up gate_up_proj",
    }
)

_ROLES: Mapping[str, Role] = MappingProxyType({name: role for role, names in _NAMES.items() for name in names.split()})

UNORDERED = frozenset({"c_attn", "kv_proj", "qkv_proj", "query_key_value"})
"""Names of fused layers that leave the order of their parts open.

``qkv_proj`` is q, v, k in CodeGen, and ``query_key_value`` is interleaved by head in GPT-NeoX.
"""


def find_role(name: str) -> Role:
    """Returns the role of a layer by its name; empty if the name tells none."""
    return _ROLES.get(name.lower(), ())
