"""The picture in the README is the one that its script draws."""

import importlib.util
from xml.etree import ElementTree

from tests.docs.pages import ROOT


def test_the_picture_is_up_to_date() -> None:
    spec = importlib.util.spec_from_file_location("render_flow", ROOT / "docs/render_flow.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    drawn = (ROOT / "docs/flow.svg").read_text(encoding="utf-8")
    assert drawn == module.picture(), "run: python docs/render_flow.py"
    assert ElementTree.fromstring(drawn).tag.endswith("svg")  # noqa: S314 - our own file
