package io.flinksegments.bridge;

import static io.flinksegments.bridge.Samples.sinkOptions;
import static io.flinksegments.bridge.Samples.sourceOptions;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.List;
import java.util.Map;
import org.apache.flink.connector.base.DeliveryGuarantee;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class OptionsTest {
    @Test
    void readsSourceOptions() {
        SourceOptions read = SourceOptions.of(sourceOptions(
                "topics", " events , control ", "start", "timestamp", "start.timestamp.ms", "5",
                "consumer.fetch.min.bytes", "7"));
        assertEquals(List.of("events", "control"), read.topics());
        assertEquals(SourceOptions.Start.TIMESTAMP, read.start());
        assertEquals(5, read.startTimestamp());
        assertEquals(Map.of("fetch.min.bytes", "7"), read.consumerProperties());
    }

    @Test
    void aBoundedRunIsToldNothing() {
        String[] bounded = {"bounded", "true", "follow.wall.clock", "false", "idle.after.ms", "0"};
        Map<String, String> options = sourceOptions(bounded);
        Exception error = assertThrows(IllegalArgumentException.class, () -> SourceOptions.of(options));
        assertEquals(
                "Options of the event source: control.topic is not known; internal.topic is not known.",
                error.getMessage());
        options.remove("control.topic");
        options.remove("internal.topic");
        assertEquals("", SourceOptions.of(options).controlTopic());
        assertEquals("", SourceOptions.of(options).internalTopic());
    }

    @Test
    void readsSinkOptions() {
        SinkOptions read = SinkOptions.of(sinkOptions(
                "delivery.guarantee", "exactly-once", "transactional.id.prefix", "job-1",
                "producer.max.request.size", "9000000"));
        assertEquals(List.of("changes", "memberships", "dead", "late", "audit", "shadow", "control", "internal"), read.topics());
        assertEquals(DeliveryGuarantee.EXACTLY_ONCE, read.guarantee());
        assertEquals("job-1", read.transactionalIdPrefix());
        assertEquals(Map.of("max.request.size", "9000000"), read.producerProperties());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            nullValues = "-",
            value = {
                "group.id             | -       | group.id is missing",
                "group.id             | ' '     | group.id is missing",
                "goup.id              | x       | goup.id is not known",
                "shards               | 0       | shards is 0, but must be a whole number from 1 to 32768",
                "shards               | many    | shards is many, but must be a whole number from 1 to 32768",
                "bounded              | yes     | bounded is yes, but must be true or false",
                "bounded              | true    | a bounded run never looks at the wall clock: "
                        + "set follow.wall.clock to false and idle.after.ms to 0; control.topic is not known; internal.topic is not known",
                "start                | now     | start is now, but must be one of earliest, latest, committed, timestamp",
                "start                | timestamp | start.timestamp.ms is missing",
                "start.timestamp.ms   | 5       | start.timestamp.ms is not known",
                "topics               | a,b,a   | topics must be at most 255 different names",
                "topics               | segment-control | control.topic is among the topics",
                "topics               | segment-internal | internal.topic is among the topics",
                "control.topic        | -       | control.topic is missing",
                "internal.topic       | -       | internal.topic is missing",
                "idle.after.ms        | 0       | follow.wall.clock needs idle.after.ms above 0",
                "batch.linger.min.ms  | 60      | batch.linger.min.ms is above batch.linger.max.ms",
            })
    void refusesSourceOptions(String name, String value, String problem) {
        Map<String, String> options = sourceOptions(name, value);
        Exception error = assertThrows(IllegalArgumentException.class, () -> SourceOptions.of(options));
        assertEquals("Options of the event source: " + problem + ".", error.getMessage());
    }

    @Test
    void refusesSinkOptionsAllAtOnce() {
        Map<String, String> options = sinkOptions(
                "delivery.guarantee", "maybe", "topic.changes", null, "transactional.id.prefix", "x");
        Exception error = assertThrows(IllegalArgumentException.class, () -> SinkOptions.of(options));
        assertEquals(
                "Options of the Kafka sink: "
                        + "delivery.guarantee is maybe, but must be one of exactly-once, at-least-once, none; "
                        + "topic.changes is missing.",
                error.getMessage());
    }
}
