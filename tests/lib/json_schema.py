# SPDX-License-Identifier: BSD-3-Clause
"""Validates JSON against the part of JSON Schema (2020-12) that our schemas use. A keyword that is
not known here is an error, so that no schema promises what nobody checks.

    json_schema.validate(instance, schema)      # raises Invalid
"""
import re

TYPES = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool),
}
IGNORED = {"$schema", "$id", "$defs", "title", "description", "then", "else"}


class Invalid(Exception):
    """The instance does not follow the schema; the text says where."""


def _check_type(value, wanted, _schema, where, _root):
    wanted = [wanted] if isinstance(wanted, str) else wanted
    if not any(TYPES[name](value) for name in wanted):
        raise Invalid(f"{where}: {value!r} is not of type {wanted}")


def _check_enum(value, wanted, _schema, where, _root):
    if not any(value == one and type(value) is type(one) for one in wanted):
        raise Invalid(f"{where}: {value!r} is none of {wanted}")


def _check_const(value, wanted, _schema, where, _root):
    if value != wanted:
        raise Invalid(f"{where}: {value!r} is not {wanted!r}")


def _check_required(value, wanted, _schema, where, _root):
    missing = [name for name in wanted if isinstance(value, dict) and name not in value]
    if missing:
        raise Invalid(f"{where}: lacks {missing}")


def _check_properties(value, wanted, _schema, where, root):
    for name, schema in wanted.items():
        if isinstance(value, dict) and name in value:
            _check(value[name], schema, f"{where}.{name}", root)


def _check_additional(value, wanted, schema, where, _root):
    if wanted is not False:
        raise Invalid(f"{where}: only additionalProperties: false is known")
    more = set(value if isinstance(value, dict) else ()) - set(schema.get("properties", ()))
    if more:
        raise Invalid(f"{where}: has {sorted(more)}, which the schema does not tell of")


def _check_items(value, wanted, _schema, where, root):
    for at, item in enumerate(value if isinstance(value, list) else ()):
        _check(item, wanted, f"{where}[{at}]", root)


def _check_pattern(value, wanted, _schema, where, _root):
    if isinstance(value, str) and not re.search(wanted, value):
        raise Invalid(f"{where}: {value!r} does not match {wanted}")


def _is_number(value):
    return TYPES["number"](value)


def _check_minimum(value, wanted, _schema, where, _root):
    if _is_number(value) and value < wanted:
        raise Invalid(f"{where}: {value} is below {wanted}")


def _check_maximum(value, wanted, _schema, where, _root):
    if _is_number(value) and value > wanted:
        raise Invalid(f"{where}: {value} is above {wanted}")


def _check_min_items(value, wanted, _schema, where, _root):
    if isinstance(value, list) and len(value) < wanted:
        raise Invalid(f"{where}: has {len(value)} items, fewer than {wanted}")


def _check_max_items(value, wanted, _schema, where, _root):
    if isinstance(value, list) and len(value) > wanted:
        raise Invalid(f"{where}: has {len(value)} items, more than {wanted}")


def _check_max_length(value, wanted, _schema, where, _root):
    if isinstance(value, str) and len(value) > wanted:
        raise Invalid(f"{where}: has {len(value)} characters, more than {wanted}")


def _check_all_of(value, wanted, _schema, where, root):
    for schema in wanted:
        _check(value, schema, where, root)


def _check_ref(value, wanted, _schema, where, root):
    if not wanted.startswith("#/$defs/"):
        raise Invalid(f"{where}: only references to #/$defs are known")
    _check(value, root["$defs"][wanted[len("#/$defs/"):]], where, root)


def _check_if(value, wanted, schema, where, root):
    try:
        _check(value, wanted, where, root)
        branch = "then"
    except Invalid:
        branch = "else"
    if branch in schema:
        _check(value, schema[branch], where, root)


KEYWORDS = {
    "type": _check_type, "enum": _check_enum, "const": _check_const, "required": _check_required,
    "properties": _check_properties, "additionalProperties": _check_additional, "items": _check_items,
    "pattern": _check_pattern, "minimum": _check_minimum, "maximum": _check_maximum,
    "minItems": _check_min_items, "maxItems": _check_max_items, "maxLength": _check_max_length,
    "allOf": _check_all_of, "$ref": _check_ref, "if": _check_if,
}


def _check(value, schema, where, root):
    for keyword, wanted in schema.items():
        if keyword in KEYWORDS:
            KEYWORDS[keyword](value, wanted, schema, where, root)
        elif keyword not in IGNORED:
            raise Invalid(f"{where}: keyword {keyword} is not known to this validator")


def validate(instance, schema):
    _check(instance, schema, "$", schema)
