"""The main job: `flink run -py jobs/segmentation.py --settings conf/job.yaml`."""

from __future__ import annotations

import argparse
import getpass
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # `flink run -py` knows only this file's folder

from jobs.control_topic import ModelMissingError, TakenError, submitted
from jobs.graph import build, environment
from jobs.output_topics import check_topics
from jobs.redis_access import RedisRefused, check_redis
from jobs.settings import DEFAULT_PATH, SettingsError, load_settings
from jobs.topics import TopicError
from jobs.transactions import check_broker
from segments.control import Release
from segments.cost.budget import check_budget
from segments.definitions import DefinitionErrors, parse_definitions
from segments.models.releasing import unmet

FAILED = 1
BAD_CONFIG = 2


def main(arguments: list[str] | None = None) -> int:
    """Check settings and definitions, then run the job; returns 2 when they are wrong, with every mistake listed.

    Definitions that differ from those last released are released with it. Returns 1 when Kafka does not
    answer, a topic is missing, or Redis does not let the job in.
    """
    options = _parser().parse_args(arguments)
    try:
        settings = load_settings(options.settings)
        definitions = settings.definitions.path.read_text(encoding="utf-8")
        check_budget(definitions, str(settings.definitions.path))
    except (SettingsError, DefinitionErrors, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return BAD_CONFIG
    try:
        check_broker(settings.kafka)
        check_topics(settings.kafka)
        away = check_redis(settings.redis)
        told = submitted(
            settings.kafka, definitions, int(time.time() * 1_000), getpass.getuser(), whole=options.rebuild
        )
    except (SettingsError, ModelMissingError, TopicError, TakenError, RedisRefused) as error:
        sys.stderr.write(f"{error}\n")
        return BAD_CONFIG if isinstance(error, (SettingsError, ModelMissingError)) else FAILED
    newest = [record for record in told if isinstance(record, Release)][-1]
    for missing in unmet(parse_definitions(newest.definitions), newest.models):
        sys.stderr.write(f"nobody is in it yet: {missing}\n")
    if away is not None:
        sys.stderr.write(f"{away}; the job goes on without it, and writes to it once it is there\n")
    env = environment(settings)
    build(env, settings, told, bounded=options.bounded, trace=options.trace)
    env.execute(options.name)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--settings", type=Path, default=DEFAULT_PATH, help="path of job.yaml")
    parser.add_argument("--name", default="flink-segments", help="the job's name in Flink")
    parser.add_argument("--bounded", action="store_true", help="read what is in the topics now, then end")
    parser.add_argument("--rebuild", action="store_true", help="know from the start all that the job was ever told")
    parser.add_argument("--trace", help="a folder into which workers write what they did (for benchmarks)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
