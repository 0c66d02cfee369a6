package io.flinksegments.bridge;

import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.record.TimestampType;

/** Options, records and events for tests. */
final class Samples {
    static final int SHARDS = 8;
    static final long DAY = 86_400_000L;
    /** 2026-11-22T10:15:30.123Z. */
    static final long NOON = 1_795_342_530_123L;

    private Samples() {}

    /** Options that are complete and valid, changed by name and value pairs. */
    static Map<String, String> sourceOptions(String... changes) {
        Map<String, String> options = new HashMap<>(Map.ofEntries(
                Map.entry("bootstrap.servers", "localhost:1"),
                Map.entry("topics", "events,control"),
                Map.entry("group.id", "test"),
                Map.entry("start", "earliest"),
                Map.entry("bounded", "false"),
                Map.entry("control.topic", "segment-control"),
                Map.entry("internal.topic", "segment-internal"),
                Map.entry("shards", String.valueOf(SHARDS)),
                Map.entry("max.event.bytes", "1000"),
                Map.entry("max.ahead.ms", String.valueOf(DAY)),
                Map.entry("max.age.ms", String.valueOf(30 * DAY)),
                Map.entry("out.of.orderness.ms", "5000"),
                Map.entry("idle.after.ms", "10000"),
                Map.entry("follow.wall.clock", "true"),
                Map.entry("batch.max.events", "4"),
                Map.entry("batch.max.bytes", "1000"),
                Map.entry("batch.linger.min.ms", "2"),
                Map.entry("batch.linger.max.ms", "50")));
        return changed(options, changes);
    }

    static Map<String, String> sinkOptions(String... changes) {
        Map<String, String> options = new HashMap<>(Map.of(
                "bootstrap.servers", "localhost:1",
                "topic.changes", "changes",
                "topic.memberships", "memberships",
                "topic.dead.letters", "dead",
                "topic.late.events", "late",
                "topic.audit", "audit",
                "topic.shadow.changes", "shadow",
                "topic.control", "control",
                "topic.internal", "internal",
                "delivery.guarantee", "at-least-once"));
        return changed(options, changes);
    }

    private static Map<String, String> changed(Map<String, String> options, String... changes) {
        for (int i = 0; i < changes.length; i += 2) {
            options.put(changes[i], changes[i + 1]);
        }
        options.values().removeIf(value -> value == null);
        return options;
    }

    static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    static EventRecord event(int shard, String payload) {
        return new EventRecord(shard, utf8(payload), 0, 1, 2, NOON, NOON, Fault.NONE);
    }

    static EventRecord control(String payload) {
        return new EventRecord(
                0, utf8(payload), EventRecord.CONTROL, 0, 7, NOON, EventRecord.NO_TIME, Fault.NONE);
    }

    static EventRecord eventAt(long eventTime) {
        return new EventRecord(0, new byte[0], 0, 1, 2, NOON, eventTime, Fault.NONE);
    }

    static ConsumerRecord<byte[], byte[]> record(String topic, long timestamp, byte[] value) {
        return new ConsumerRecord<>(
                topic,
                3,
                41,
                timestamp,
                TimestampType.CREATE_TIME,
                -1,
                -1,
                null,
                value,
                new RecordHeaders(),
                java.util.Optional.empty());
    }
}
