"""Typed structures for the parts of an event that the definitions read; everything else is skipped while parsing."""

import keyword
from collections.abc import Callable, Iterable, Mapping
from operator import attrgetter
from typing import Any

import msgspec

PROPERTY_TYPES: dict[str, Any] = {
    "number": int | float | None,
    "integer": int | None,
    "string": str | None,
    "boolean": bool | None,
    "any": Any,
}
Getter = Callable[[Any], Any]


def struct_for(name: str, paths: Iterable[str], types: Mapping[str, str]) -> type[msgspec.Struct]:
    """Return a struct with one field for each root of `paths`; a declared type is checked while parsing.

    >>> Product = struct_for("Product", ["price", "brand.name"], {"price": "number"})
    >>> msgspec.json.decode(b'{"price": 2, "brand": {"name": "x", "id": 1}, "size": 3}', type=Product)
    Product(brand=Product_brand(name='x'), price=2)
    """
    children: dict[str, list[str]] = {}
    for path in sorted(set(paths) | set(types)):
        root, _, rest = path.partition(".")
        children.setdefault(root, []).extend([rest] if rest else [])
    fields: list[tuple[str, Any, Any]] = []
    rename: dict[str, str] = {}
    for root, inner in children.items():
        attribute = attribute_name(root)
        rename[attribute] = root
        fields.append((attribute, *_field_type(name, root, inner, types.get(root))))
    return msgspec.defstruct(name, fields, rename=rename, gc=False, frozen=True, omit_defaults=True)


def _field_type(name: str, root: str, inner: list[str], declared: str | None) -> tuple[Any, Any]:
    """Return a field's type and default; an object that is read into is there, empty, when the event has none."""
    if declared is not None:
        return PROPERTY_TYPES[declared], None
    if not inner:
        return Any, None
    nested = struct_for(f"{name}_{attribute_name(root)}", inner, {})
    return nested | str | int | float | bool | list[Any] | None, nested()


def attribute_name(field: str) -> str:
    """Return a Python attribute name for any JSON field name.

    >>> attribute_name("price"), attribute_name("unit price")
    ('price', 'f_756e6974207072696365')
    """
    usable = field.isidentifier() and not keyword.iskeyword(field) and not field.startswith(("_", "f_"))
    return field if usable else "f_" + field.encode("utf-8", "surrogatepass").hex()


def read_all(paths: list[str]) -> Getter:
    """Return a function that reads several paths of a struct made by `struct_for` into a tuple, fast.

    >>> Product = struct_for("Product", ["brand.name", "price"], {})
    >>> read_all(["brand.name", "price"])(msgspec.json.decode(b'{"brand": "none", "price": 2}', type=Product))
    (None, 2)
    """
    getters = [getter(path) for path in paths]
    dotted = [".".join(attribute_name(step) for step in path.split(".")) for path in paths]
    fast = attrgetter(*dotted) if len(dotted) > 1 else None

    def read(value: Any) -> Any:
        if fast is not None:
            try:
                return fast(value)
            except AttributeError:  # something else stands where an object was expected
                pass
        return tuple(get(value) for get in getters)

    return read


def getter(path: str) -> Getter:
    """Return a function that reads `path` of a struct made by `struct_for`; None where there is nothing.

    >>> Product = struct_for("Product", ["brand.name"], {})
    >>> getter("brand.name")(msgspec.json.decode(b'{"brand": {"name": "x"}}', type=Product))
    'x'
    """
    first, *rest = [attribute_name(step) for step in path.split(".")]

    def read_path(value: Any) -> Any:
        found = getattr(value, first)
        for step in rest:
            found = getattr(found, step, None) if isinstance(found, msgspec.Struct) else None
        return found

    return read_path if rest else attrgetter(first)
