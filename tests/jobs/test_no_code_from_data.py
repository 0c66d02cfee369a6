"""No product code turns data into code: a call that could is not there at all."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("segments", "scoring", "udfs", "jobs", "serving", "training")
FORBIDDEN = {
    "eval", "exec", "compile", "__import__",
    "pickle.load", "pickle.loads", "pickle.Unpickler", "marshal.load", "marshal.loads", "shelve.open", "dill.loads",
    "cloudpickle.load", "cloudpickle.loads", "joblib.load", "torch.load",
    "yaml.load", "yaml.load_all", "yaml.full_load", "yaml.unsafe_load",
    "os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput",
}  # fmt: skip
LOADERS = {"SafeLoader", "CSafeLoader", "SafeConstructor"}


def named(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{named(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def found(source: str) -> list[str]:
    """What of the forbidden a file calls, imports or passes on."""
    tree = ast.parse(source)
    modules = {name.rpartition(".")[0] for name in FORBIDDEN} - {"", "os", "subprocess", "yaml"}
    bad: list[str] = []
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=func) if named(func) in FORBIDDEN:
                bad.append(named(func))
            case ast.Call(keywords=keywords) if any(
                each.arg == "shell" and not (isinstance(each.value, ast.Constant) and each.value.value is False)
                for each in keywords
            ):
                bad.append("shell=")
            case ast.Import(names=names):
                bad += [each.name for each in names if each.name in modules]
            case ast.ImportFrom(module=str(module), names=names):
                bad += [module] if module in modules else []
                bad += [each.name for each in names if f"{module}.{each.name}" in FORBIDDEN]
            case ast.Attribute(attr=attr, value=ast.Name(id="yaml")) if attr.endswith("Loader"):
                bad += [] if attr in LOADERS else [f"yaml.{attr}"]
    return bad


@pytest.mark.parametrize("package", PACKAGES)
def test_no_product_code_could_run_what_it_reads(package: str) -> None:
    files = sorted((ROOT / package).rglob("*.py"))
    bad = {str(path): calls for path in files if (calls := found(path.read_text(encoding="utf-8")))}
    assert bad == {}
    assert files or package in {"serving", "training"}


@pytest.mark.parametrize(
    "source",
    [
        "eval(text)", "exec(text)",
        "import pickle", "from pickle import loads", "import marshal", "from yaml import load",
        "yaml.load(text, Loader=x)", "yaml.compose(text, Loader=yaml.UnsafeLoader)", "yaml.unsafe_load(text)",
        "subprocess.run(line, shell=True)", "subprocess.run(line, shell=wanted)", "os.system(line)",
    ],
)  # fmt: skip
def test_it_would_be_seen(source: str) -> None:
    assert found(source)


@pytest.mark.parametrize("source", ["yaml.safe_load(text)", "subprocess.run(line, shell=False)", "re.compile(text)"])
def test_what_is_harmless_passes(source: str) -> None:
    assert found(source) == []
