"""The command line `segments`. One file a command; Flink, Kafka and Redis load only when they are used."""

from __future__ import annotations

import typer

from jobs.cli.backfill import backfill
from jobs.cli.consume import consume
from jobs.cli.cost import cost
from jobs.cli.definitions import schema, validate
from jobs.cli.demo import demo
from jobs.cli.diff import diff
from jobs.cli.drift import drift, fairness
from jobs.cli.errors import EXIT_CODES
from jobs.cli.explain import explain
from jobs.cli.funnel import funnel
from jobs.cli.history import history
from jobs.cli.lint import lint
from jobs.cli.live import redis_app
from jobs.cli.local_stack import down, up
from jobs.cli.models import models
from jobs.cli.preview import preview
from jobs.cli.rebuild import rebuild
from jobs.cli.reconcile import reconcile
from jobs.cli.release import promote, release, rollback, withdraw
from jobs.cli.replay import replay
from jobs.cli.run import run
from jobs.cli.savepoint import savepoint
from jobs.cli.schedule import schedule
from jobs.cli.submit import submit
from jobs.cli.train import train
from jobs.cli.upgrade import rescale, resume, upgrade
from jobs.cli.version import version

app = typer.Typer(
    name="segments",
    help=f"Live user segmentation on Apache Flink.\n\n{EXIT_CODES}",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,  # they could hold secrets
)
PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True}

app.command()(demo)
app.command()(up)
app.command()(down)
app.command()(run)
app.command(context_settings=PASS_ON)(submit)
app.command()(savepoint)
app.command(context_settings=PASS_ON)(upgrade)
app.command(context_settings=PASS_ON)(rescale)
app.command(context_settings=PASS_ON)(resume)
app.command()(version)
app.command()(release)
app.command()(rollback)
app.command()(promote)
app.command()(withdraw)
app.command()(backfill)
app.command()(history)
app.command()(diff)
app.command()(validate)
app.command()(lint)
app.command()(cost)
app.command()(schema)
app.command()(preview)
app.command()(funnel)
app.command()(replay)
app.command()(explain)
app.command()(consume)
app.command()(reconcile)
app.command()(rebuild)
app.command()(train)
app.command()(drift)
app.command()(fairness)
app.command()(schedule)
app.add_typer(models, name="models")
app.add_typer(redis_app, name="redis")
