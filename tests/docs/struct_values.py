"""Any value of a msgspec struct, for Hypothesis: what the encoder makes of it, a generated schema must allow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from hypothesis import strategies as st
from msgspec import inspect

from chatcore.errors import ErrorCode

JSON = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(codec="utf-8"), max_size=8)
TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
CODES = st.sampled_from([str(code) for code in ErrorCode])
"""For a field ``error_code``: its schema names those that there are."""


def values_of(kind: type[msgspec.Struct]) -> st.SearchStrategy[Any]:
    """Instances of ``kind``; a field with a default is given or left out, and left out where it may be unset."""
    info = inspect.type_info(kind)
    assert isinstance(info, inspect.StructType)
    return st.fixed_dictionaries(
        {field.name: _values_in(field) for field in info.fields if field.required},
        optional={field.name: _values_in(field) for field in info.fields if not field.required},
    ).map(lambda fields: kind(**fields))


def _values_in(field: inspect.Field) -> st.SearchStrategy[Any]:
    return CODES if field.name == "error_code" else _values(field.type)


def _values(info: inspect.Type) -> st.SearchStrategy[Any]:
    return _MAKERS[type(info)](info)


_MAKERS: dict[type, Callable[[Any], st.SearchStrategy[Any]]] = {
    inspect.AnyType: lambda _: JSON,
    inspect.BoolType: lambda _: st.booleans(),
    inspect.DictType: lambda info: st.dictionaries(_values(info.key_type), _values(info.value_type), max_size=2),
    inspect.FloatType: lambda _: st.floats(allow_nan=False, allow_infinity=False),
    inspect.IntType: lambda _: st.integers(-(2**53), 2**53),
    inspect.ListType: lambda info: st.lists(_values(info.item_type), max_size=2),
    inspect.LiteralType: lambda info: st.sampled_from(info.values),
    inspect.NoneType: lambda _: st.none(),
    inspect.StrType: lambda _: TEXT,
    inspect.StructType: lambda info: values_of(info.cls),
    inspect.UnionType: lambda info: st.one_of([_values(kind) for kind in info.types]),
}
