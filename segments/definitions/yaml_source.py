"""YAML as plain values together with the line of each of them."""

from typing import Any

import yaml

from segments.definitions.errors import DefinitionErrors, Problem

Path = tuple[str | int, ...]
_MAX_BYTES = 16 * 1024 * 1024
_MAX_DEPTH = 64
_MAX_NODES = 200_000  # aliases written out; the largest file that is of use has a fifth


class YamlSource:
    """One YAML text: `value` is its content, `line_of(path)` the line of a place in it."""

    def __init__(self, text: str, name: str) -> None:
        self.name = name
        self._lines: dict[Path, int] = {}
        self._problems: list[Problem] = []
        self._nodes = 0
        self.value = self._read(text)
        if self._problems:
            raise DefinitionErrors(self._problems)

    def line_of(self, path: Path) -> int:
        """Return the line (from 1) of the longest known part of `path`."""
        for length in range(len(path), -1, -1):
            line = self._lines.get(path[:length])
            if line is not None:
                return line
        return 1

    def _read(self, text: str) -> Any:
        if len(text) > _MAX_BYTES:
            raise DefinitionErrors([Problem(self.name, 1, "", f"the file is larger than {_MAX_BYTES} characters")])
        try:
            _check_nesting(text)
            root = yaml.compose(text, Loader=yaml.CSafeLoader)
            return None if root is None else self._plain(root, (), frozenset())
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            raise DefinitionErrors([Problem(self.name, line, "", f"no valid YAML: {error.problem}")]) from None
        except (yaml.YAMLError, ValueError) as error:
            raise DefinitionErrors([Problem(self.name, 1, "", f"no valid YAML: {error}")]) from None

    def _plain(self, node: yaml.Node, path: Path, open_nodes: frozenset[int]) -> Any:
        self._lines.setdefault(path, node.start_mark.line + 1)
        self._nodes += 1
        if self._nodes > _MAX_NODES:
            raise ValueError(f"more than {_MAX_NODES} values, with each alias written out")
        if id(node) in open_nodes or len(path) > _MAX_DEPTH:
            raise ValueError(f"line {node.start_mark.line + 1} refers to itself or is nested too deeply")
        inner = open_nodes | {id(node)}
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, inner)
        if isinstance(node, yaml.SequenceNode):
            return [self._plain(item, (*path, index), inner) for index, item in enumerate(node.value)]
        return _SCALARS.construct_object(node)

    def _mapping(self, node: yaml.MappingNode, path: Path, open_nodes: frozenset[int]) -> dict[str, Any]:
        content: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            line = key_node.start_mark.line + 1
            if key in content:
                where = ".".join(map(str, path))
                self._problems.append(Problem(self.name, line, where, f"'{key}' is given twice", "keep one of them"))
            self._lines[(*path, key)] = line
            content[key] = self._plain(value_node, (*path, key), open_nodes)
        return content


def _check_nesting(text: str) -> None:
    """Raise ValueError for what is nested too deeply: the parser's time grows with the square of the depth."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _MAX_DEPTH:
                place = f"line {event.start_mark.line + 1}" if event.start_mark else "the text"
                raise ValueError(f"{place} is nested too deeply")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


class _ScalarConstructor(yaml.constructor.SafeConstructor):
    """Safe scalars; times and dates stay the texts they were written as."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        if node.tag in ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:binary"):
            return node.value
        return super().construct_object(node, deep)


_SCALARS = _ScalarConstructor()
