"""The smallest job with Python in it: endless numbers through one Python function, with a checkpoint every second."""

import time

from pyflink.common import Configuration, Types, WatermarkStrategy
from pyflink.datastream import MapFunction, StreamExecutionEnvironment
from pyflink.datastream.connectors.number_seq import NumberSequenceSource


class Increment(MapFunction):  # type: ignore[misc]  # pyflink has no types
    def map(self, value: int) -> int:
        time.sleep(0.002)  # leaves the cores to the tests
        return value + 1


if __name__ == "__main__":
    options = Configuration()
    options.set_string("python.fn-execution.bundle.size", "20")  # the cluster's 1 is meant for rows that are batches
    environment = StreamExecutionEnvironment.get_execution_environment(options)
    environment.set_parallelism(1)
    environment.enable_checkpointing(1_000)
    numbers = NumberSequenceSource(0, 10**12)
    stream = environment.from_source(numbers, WatermarkStrategy.no_watermarks(), "numbers", Types.LONG())
    stream.map(Increment(), Types.LONG()).print()
    environment.execute("counting")
