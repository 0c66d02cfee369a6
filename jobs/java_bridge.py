"""The Python end of the Java bridge, and the only file that calls Java.

The options are described in SourceOptions.java and SinkOptions.java under jobs/bridge; all values are texts.
"""

from collections.abc import Mapping
from typing import Any

from py4j.protocol import Py4JJavaError
from pyflink.common import Types
from pyflink.datastream import DataStream, KeyedStream, StreamExecutionEnvironment
from pyflink.java_gateway import get_gateway

#: The type of a frame (docs/wire-formats.md): of a keyed stream's values, and of the stream that goes to `kafka_sinks`.
FRAME_TYPE = Types.PRIMITIVE_ARRAY(Types.BYTE())


def event_frames(env: StreamExecutionEnvironment, options: Mapping[str, str]) -> KeyedStream:
    """Return events from Kafka as frames keyed by shard; raise ValueError if an option is missing, wrong or unknown."""
    frames = _call_bridge("events", env._j_stream_execution_environment, options)
    return KeyedStream(frames, FRAME_TYPE, DataStream(frames))


def kafka_sinks(stream: DataStream, options: Mapping[str, str]) -> None:
    """Write the records of output frames to Kafka; raise ValueError if an option is missing, wrong or unknown."""
    _call_bridge("sinks", stream._j_data_stream, options)


def _call_bridge(method: str, subject: Any, options: Mapping[str, str]) -> Any:
    """Call a static method of the Java class Bridge; raise RuntimeError if its jar is not on the class path."""
    jvm = get_gateway().jvm
    java_options = jvm.java.util.HashMap()
    for name, value in options.items():
        java_options.put(name, value)
    try:
        return getattr(jvm.io.flinksegments.bridge.Bridge, method)(subject, java_options)
    except TypeError as error:
        raise RuntimeError("flink-segments-bridge.jar is not on Flink's class path: run `make setup`") from error
    except Py4JJavaError as error:
        if error.java_exception.getClass().getSimpleName() != "IllegalArgumentException":
            raise
        raise ValueError(error.java_exception.getMessage()) from error
