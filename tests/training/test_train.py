"""Training as a user does it: a table in, a version with its proof out, and what a version is checked for."""

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from jobs.cli import app
from scoring.onnx_model import OnnxModel
from segments.control import Release
from segments.models.health import TakenOut
from segments.models.inputs import Inputs
from segments.models.loader import load_models
from training.contest import contest
from training.dataset import Dataset, from_table
from training.reference import typical_of
from training.registry import Registry
from training.train import train as learn

RUN = CliRunner()
HOUR = 3_600_000
CONF = Path(__file__).parents[2] / "conf"
TABLE = {"label": "bought", "positive": ["yes"], "numbers": ["views", "spent", "age"], "categories": ["device"]}
NO_LABEL = {key: value for key, value in TABLE.items() if key not in ("label", "positive")}
QUICK = {"random_forest": {"n_estimators": [15]}, "gradient_boosting": {"max_iter": [20]}, "voting": {"max_iter": [10]}}
CLASSIFY = {"estimators": ["gradient_boosting", "random_forest"], "grid": QUICK, "folds": 2}
MODELS: list[dict[str, Any]] = [
    {"name": "buyer", "table": TABLE, "classify": CLASSIFY, "gates": {"roc_auc": {"gte": 0.7}},
     "derive": [{"name": "spent_a_view", "ratio": ["spent", "views"]}]},
    {"name": "voted", "table": TABLE, "classify": {**CLASSIFY, "estimators": ["voting"]}},
    {"name": "too_good", "table": TABLE, "classify": CLASSIFY, "gates": {"roc_auc": {"gte": 0.9999}}},
    {"name": "groups", "table": NO_LABEL, "cluster": {"least": 2, "most": 4}},
    {"name": "odd", "table": NO_LABEL, "anomaly": {"share": 0.05, "trees": 20}},
]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of 400 visitors, of whom those who view much on a desktop buy; and models that read it."""
    made = tmp_path_factory.mktemp("models")
    draw = np.random.default_rng(1)
    with (made / "table.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["views", "spent", "age", "device", "bought"])
        for _ in range(400):
            views, device = int(draw.integers(0, 30)), str(draw.choice(["mobile", "desktop", ""]))
            buys = views + 8 * (device == "desktop") + draw.normal(0, 4) > 20
            age = "" if draw.random() < 0.3 else int(draw.integers(18, 80))
            writer.writerow([views, round(float(draw.gamma(2, 30)), 2), age, device, "yes" if buys else "no"])
    (made / "models.yaml").write_text(yaml.safe_dump({"models": MODELS}))
    return made


def segments(folder: Path, *arguments: str) -> tuple[int, str]:
    common = ["--models", str(folder / "models.yaml"), "--registry", str(folder / "registry")]
    given = common[2:] if arguments[:2] == ("models", "list") else common
    definitions = [] if arguments[:2] == ("models", "list") else ["--definitions", str(CONF / "segments.yaml")]
    done = RUN.invoke(app, [*arguments, *given, *definitions])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.output


def trained(folder: Path, name: str) -> dict[str, Any]:
    registry = Registry(str(folder / "registry"))
    if not registry.versions(name):
        code, said = segments(folder, "train", name, "--table", str(folder / "table.csv"))
        assert code == 0, said
    return registry.manifest(name, registry.versions(name)[-1])


@pytest.mark.parametrize("name", [model["name"] for model in MODELS])
def test_onnx_says_what_scikit_learn_says_at_the_edges_too(folder: Path, name: str) -> None:
    manifest = trained(folder, name)
    assert manifest["parity"]["rows"] > 80
    assert manifest["parity"]["max_difference"] <= 1e-5


def test_a_classifier_is_judged_on_rows_it_has_not_seen(folder: Path) -> None:
    manifest = trained(folder, "buyer")
    assert manifest["metrics"]["roc_auc"] > 0.85
    assert manifest["data"]["rows"] == {"learnt_from": 320, "held_out": 80}
    assert sum(map(sum, manifest["found"]["confusion"])) == 80
    assert max(manifest["importances"], key=manifest["importances"].get) == "views"
    assert [each["estimator"] for each in manifest["found"]["candidates"]] != []
    report = Registry(str(folder / "registry")).read("buyer", 1, "report.html").decode()
    assert report.count("<svg") == 4
    assert "roc_auc" in report


def test_a_manifest_says_what_is_typical_of_each_column(folder: Path) -> None:
    manifest, groups = trained(folder, "buyer"), trained(folder, "groups")
    assert list(manifest["typical"]) == ["age", "device", "spent", "spent_a_view", "views"]  # sorted as all of it is
    assert manifest["typical"]["views"] == pytest.approx(14.5, abs=2)
    assert 40 < manifest["typical"]["age"] < 60  # of those whose age is known
    assert (manifest["typical"]["device"], manifest["calibrated"], groups["calibrated"]) == ("desktop", True, False)
    assert manifest["spec"]["score"] == {"delay": 30_000, "max_age": 86_400_000, "tolerance": 0.0}


def test_what_nobody_knows_has_nothing_typical() -> None:
    inputs = Inputs(["age", "device"], ["device"])
    nobody = np.array([], object), np.array([], np.int64)
    data = Dataset(inputs, np.full((3, 1), np.nan, np.float32), np.full((3, 1), "", object), None, *nobody, "hash")
    assert typical_of(data) == {"age": None, "device": None}


def test_groups_and_anomalies_have_their_own_measures(folder: Path) -> None:
    groups = trained(folder, "groups")
    assert set(groups["metrics"]) == {"silhouette", "davies_bouldin", "stability", "fidelity"}
    assert sum(groups["found"]["sizes"]) == 320
    assert groups["found"]["dbscan"]["groups"] >= 0
    assert 0 < trained(folder, "odd")["metrics"]["anomalous_share"] < 0.2


def test_the_same_data_and_seed_give_the_same_model(folder: Path) -> None:
    first = trained(folder, "buyer")
    assert segments(folder, "train", "buyer", "--table", str(folder / "table.csv"))[0] == 0
    registry = Registry(str(folder / "registry"))
    second = registry.manifest("buyer", 2)
    same = ("metrics", "importances", "found", "parity")
    assert {key: second[key] for key in same} == {key: first[key] for key in same}
    code, listed = segments(folder, "models", "list")
    assert (code, listed.count("buyer")) == (0, 2)


def test_a_version_that_fulfils_all_may_be_released(folder: Path) -> None:
    trained(folder, "buyer")
    assert segments(folder, "models", "check", "buyer", "1") == (0, "buyer 1 may be released\n")


def test_a_version_below_its_gate_may_not(folder: Path) -> None:
    trained(folder, "too_good")
    code, said = segments(folder, "models", "check", "too_good", "1")
    assert code == 1
    assert "roc_auc is" in said
    assert "the gate is >= 0.9999" in said


def test_a_version_of_other_columns_may_not(folder: Path, tmp_path: Path) -> None:
    trained(folder, "buyer")
    other = [{**MODELS[0], "table": {**TABLE, "numbers": ["views", "spent"]}}]
    (tmp_path / "models.yaml").write_text(yaml.safe_dump({"models": other}))
    (tmp_path / "registry").symlink_to(folder / "registry")
    code, said = segments(tmp_path, "models", "check", "buyer", "1")
    assert code == 1
    assert "train it anew" in said


def test_a_model_that_says_something_else_may_not(folder: Path) -> None:
    trained(folder, "buyer")
    trained(folder, "voted")
    registry = Registry(str(folder / "registry"))
    files = {name: registry.read("buyer", 1, name) for name in ("model.onnx", "proof.json")}
    proof = json.loads(files["proof.json"])
    proof["scores"][0] = [0.9, 0.1] if proof["scores"][0][0] < 0.5 else [0.1, 0.9]
    wrong = registry.add("buyer", registry.manifest("buyer", 1), {**files, "proof.json": json.dumps(proof).encode()})
    code, said = segments(folder, "models", "check", "buyer", str(wrong))
    assert code == 1
    assert "ONNX and scikit-learn differ by" in said
    broken = registry.add("buyer", registry.manifest("buyer", 1), {**files, "model.onnx": b"no model"})
    assert "cannot be proved: no ONNX model" in segments(folder, "models", "check", "buyer", str(broken))[1]


def test_a_version_that_was_changed_is_refused(folder: Path) -> None:
    trained(folder, "voted")
    path = folder / "registry/voted/1/proof.json"
    content = path.read_bytes()
    path.write_bytes(content + b" ")
    code, said = segments(folder, "models", "check", "voted", "1")
    path.write_bytes(content)
    assert code == 1
    assert "is not what was written" in said
    assert segments(folder, "models", "check", "voted", "9")[1].startswith(
        f"{folder}/registry has no version 9 of voted"
    )


def test_a_batch_scores_as_one_row_does(folder: Path) -> None:
    trained(folder, "buyer")
    registry = Registry(str(folder / "registry"))
    scorer, proof = (
        OnnxModel(registry.read("buyer", 1, "model.onnx")),
        json.loads(registry.read("buyer", 1, "proof.json")),
    )
    numbers, categories = np.array(proof["numbers"][:20], np.float32), np.array(proof["categories"][:20], object)
    assert scorer.width == (4, 1)
    alone = np.concatenate([scorer.scores(numbers[i : i + 1], categories[i : i + 1]) for i in range(20)])
    assert np.array_equal(scorer.scores(numbers, categories), alone)


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (["train", "no_such"], 2, "has no model 'no_such' (there are: buyer, voted"),
        (["train", "buyer"], 2, "model 'buyer' reads a table: give --table CSV"),
        (["train", "buyer", "--table", "TABLE"], 1, "has no column device"),
        (["train", "buyer", "--table", "LATIN"], 1, "is no text in UTF-8"),
        (["train", "buyer", "--table", "TABLE", "--events", "TABLE"], 2, "give either --events FILE or --table CSV"),
        (["drift", "buyer", "1", "--table", "TABLE", "--events", "TABLE"], 2, "give either --events FILE or --table"),
        (["models", "check", "no_such", "1"], 2, "has no model 'no_such'"),
    ],
)
def test_mistakes(folder: Path, tmp_path: Path, arguments: list[str], code: int, expected: str) -> None:
    (tmp_path / "t.csv").write_text("views,spent,age,bought\n1,2,3,yes\n")
    (tmp_path / "latin.csv").write_bytes("views,spent,age,device,bought\n1,2,3,caf\xe9,yes\n".encode("latin-1"))
    files = {"TABLE": str(tmp_path / "t.csv"), "LATIN": str(tmp_path / "latin.csv")}
    given = [files.get(each, each) for each in arguments]
    found, said = segments(folder, *given)
    assert (found, expected in said) == (code, True), said


VISITORS = {"features": [{"name": "seen", "lifetime": {"of": "count", "event": "any"}}]}


def of_events(folder: Path, every: str, at_most: int) -> Path:
    """A model of 150 visitors with an event an hour over four hours, and those events."""
    model = {
        "name": "odd",
        "features": "visitor",
        "anomaly": {"trees": 10},
        "rows": {"every": every, "at_most": at_most},
        "drift": {"window": "3h", "least_rows": 100},
        "retrain": {"every": "7d"},
    }
    (folder / "models.yaml").write_text(yaml.safe_dump({"feature_sets": {"visitor": VISITORS}, "models": [model]}))
    events = (
        {"type": "track", "event": "V", "userId": f"u{user}", "messageId": f"{user}-{hour}", "timestamp": HOUR * hour}
        for hour in range(400_000, 400_005) for user in range(150)
    )  # fmt: skip
    (folder / "events.ndjson").write_text("".join(json.dumps(event) + "\n" for event in events))
    return folder / "events.ndjson"


def test_a_sample_says_of_how_many_rows_it_is(tmp_path: Path) -> None:
    code, said = segments(tmp_path, "train", "odd", "--events", str(of_events(tmp_path, "1h", 200)))
    assert code == 0, said
    assert "held out (drawn from 600: rows.at_most)" in said


def test_too_short_a_recording_says_what_is_needed(tmp_path: Path) -> None:
    code, said = segments(tmp_path, "train", "odd", "--events", str(of_events(tmp_path, "2d", 200)))
    assert (code, "the events span 4h, and the first row needs 2d" in said) == (1, True), said


def test_what_is_no_number_is_told_with_its_line(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("views,spent,age,device,bought\n1,2,3,a,yes\nmany,2,3,a,no\n")
    code, said = segments(folder, "train", "buyer", "--table", str(tmp_path / "t.csv"))
    assert (code, said) == (1, f"{tmp_path}/t.csv:3: 'many' in column views is no number: is it a category?\n")


def test_what_it_was_trained_on_has_not_drifted_and_what_changed_has(folder: Path, tmp_path: Path) -> None:
    trained(folder, "buyer")
    code, said = segments(folder, "drift", "buyer", "1", "--table", str(folder / "table.csv"))
    assert (code, "roc_auc" in said, "accuracy" in said) == (0, True, True), said
    with (folder / "table.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    with (tmp_path / "later.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows({**row, "spent": float(row["spent"]) * 5} for row in rows)
    code, said = segments(folder, "drift", "buyer", "1", "--table", str(tmp_path / "later.csv"), "--format", "json")
    assert code == 1
    assert "buyer 1: spent has moved: PSI" in said
    assert "views has moved" not in said


def test_a_version_of_other_columns_is_told_apart_from_drift(folder: Path, tmp_path: Path) -> None:
    trained(folder, "buyer")
    more = [*MODELS[0]["derive"], {"name": "age_a_view", "ratio": ["age", "views"]}]
    (tmp_path / "models.yaml").write_text(yaml.safe_dump({"models": [{**MODELS[0], "derive": more}]}))
    (tmp_path / "registry").symlink_to(folder / "registry")
    code, said = segments(tmp_path, "drift", "buyer", "1", "--table", str(folder / "table.csv"))
    assert (code, said) == (1, "version 1 of buyer has other columns than models.yaml makes now: train it anew\n")


def test_a_check_leaves_a_page_and_figures_with_the_churn_of_segments(folder: Path, tmp_path: Path) -> None:
    trained(folder, "buyer")
    moves = [(user, 1, "vip", "entered", HOUR + user) for user in range(250)]
    moves += [(user, 2, "vip", "exited", 2 * HOUR + user) for user in range(200)]
    names = ("user_id", "seq", "segment", "action", "at")
    lines = [json.dumps(dict(zip(names, move, strict=True))) for move in [*moves, (0, 3, "b", "entered", 4 * HOUR)]]
    (tmp_path / "changes.ndjson").write_text("\n".join(lines))
    more = ["--changes", str(tmp_path / "changes.ndjson"), "--interval", "2h", "--churn-limit", "0.7"]
    more += ["--report", str(tmp_path / "drift.html"), "--metrics", str(tmp_path / "drift.prom")]
    code, said = segments(folder, "drift", "buyer", "1", "--table", str(folder / "table.csv"), *more)
    assert (code, "80% of its 250 members left" in said) == (1, True), said
    assert (tmp_path / "drift.html").read_text().count("<svg") == 4
    figures = (tmp_path / "drift.prom").read_text()
    assert 'segments_churn_rate{segment="vip"} 0.8' in figures
    assert 'segments_model_drift_psi{model="buyer",version="1",column="score"}' in figures
    assert 'segments_model_measured{model="buyer",version="1",what="accuracy"}' in figures


def test_a_check_names_the_versions_that_the_job_took_out_of_force(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = str(of_events(tmp_path, "1h", 200))
    assert segments(tmp_path, "train", "odd", "--events", events)[0] == 0
    back = Release(7, 0, "", released_at=1_795_344_390_250, note="odd:4 failed for 42 of 310 scores: back to odd:1")
    taken_out = [TakenOut("odd", 4, back, "the <score> is nan"), TakenOut("other", 9, back)]
    monkeypatch.setattr("jobs.models_in_force.taken_out_by_the_job", lambda _: taken_out)
    report = tmp_path / "drift.html"
    _, said = segments(tmp_path, "drift", "odd", "1", "--events", events, "--report", str(report))
    assert "odd 4: the job took it out of force by itself at 2026-11-22 10:46:30 (release 7): failed for" in said
    assert "other 9" not in said
    assert "back to odd:1; the first failure: the &lt;score&gt; is nan</p>" in report.read_text()
    _, said = segments(tmp_path, "drift", "odd", "1", "--events", events, "--format", "json")
    (named,) = json.JSONDecoder().raw_decode(said[said.index("{") :])[0]["taken_out"]
    assert (named["version"], named["release"], named["at"]) == (4, 7, 1_795_344_390_250)


def test_a_new_model_must_be_as_good_as_the_champion(folder: Path) -> None:
    trained(folder, "buyer")
    spec = load_models(folder / "models.yaml").model("buyer")
    assert spec is not None
    assert spec.table is not None
    registry = Registry(str(folder / "registry"))
    same = learn(from_table(folder / "table.csv", spec.table, spec, ""), spec, lambda *_: lambda _: None)
    known = registry.manifest("buyer", 1)["feature_hash"]
    equal = contest(registry, 1, same, known, "in force")
    assert equal.champion == pytest.approx(same.metrics["roc_auc"])
    assert equal.won
    assert equal.text().startswith("roc_auc on the newest rows: champion (version 1, in force) 0.")
    assert contest(registry, 1, same, "other").text() == (
        "version 1 (champion) reads other features: they cannot be compared"
    )
    worse = replace(same, metrics={**same.metrics, "roc_auc": same.metrics["roc_auc"] - 0.01})
    assert not contest(registry, 1, worse, known).won
    assert contest(registry, 1, worse, "other features").won
    assert contest(registry, None, worse, known).won


def test_a_model_that_has_no_number_in_onnx_is_no_version(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.train.largest_difference", lambda *_: float("inf"))
    code, said = segments(folder, "train", "odd", "--table", str(folder / "table.csv"))
    assert (code, "model 'odd' cannot be served: on some rows" in said) == (1, True), said


def test_the_schedule_trains_what_is_due_once(tmp_path: Path) -> None:
    events = of_events(tmp_path, "1h", 200)
    more = ["--once", "--events", str(events), "--state", str(tmp_path / "state.json")]
    code, said = segments(tmp_path, "schedule", *more)
    assert (code, "drift odd: no version yet" in said) == (0, True), said
    assert "retrain odd: version 1 registered (there is no champion" in said
    assert segments(tmp_path, "schedule", *more) == (0, "")
    (tmp_path / "state.json").unlink()
    code, said = segments(tmp_path, "schedule", *more, "--metrics", str(tmp_path / "m.prom"))
    assert "drift odd: version 1, " in said
    assert 'segments_schedule_success{task="drift",model="odd"} 1.0' in (tmp_path / "m.prom").read_text()


def test_groups_are_compared_on_the_command_line(folder: Path) -> None:
    trained(folder, "buyer")
    table = str(folder / "table.csv")
    code, said = segments(folder, "fairness", "buyer", "1", "--by", "device", "--table", table)
    assert code == 0, said
    assert all(group in said for group in ("mobile", "desktop", "(unknown)", "wrongly out: the least is"))
    assert segments(folder, "fairness", "buyer", "1", "--by", "age", "--table", table)[0] == 2
