package io.flinksegments.bridge;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.ObjectMapper;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.node.ObjectNode;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;

/**
 * What becomes of a record that Kafka would refuse for its size: a change goes without its {@code because}, an event that
 * was set aside is cut, anything else is a dead letter.
 */
final class Oversized {
    static final int CHANGES = 0;
    static final int DEAD_LETTERS = 2;
    static final int LATE_EVENTS = 3;
    static final int SHADOW_CHANGES = 5;

    private static final ObjectMapper JSON = new ObjectMapper();

    private Oversized() {}

    /** A record that fits, in place of one that does not. */
    static OutputRecord replace(OutputRecord record, String topic, RecordLimits limits) {
        if (record.target() == DEAD_LETTERS || record.target() == LATE_EVENTS) {
            return cut(record, limits);
        }
        if (record.target() == CHANGES || record.target() == SHADOW_CHANGES) {
            OutputRecord shorter = withoutReasons(record);
            if (limits.fits(shorter)) {
                return shorter;
            }
        }
        return letter(record, topic, limits);
    }

    private static OutputRecord withoutReasons(OutputRecord record) {
        try {
            JsonNode change = JSON.readTree(record.value());
            ((ObjectNode) change).putArray("because");
            return withValue(record, JSON.writeValueAsBytes(change), record.headers());
        } catch (IOException | ClassCastException notAChange) {
            return record;
        }
    }

    private static OutputRecord letter(OutputRecord record, String topic, RecordLimits limits) {
        String detail = "a record of %d bytes for this topic is larger than its max.message.bytes allows"
                .formatted(record.value() == null ? 0 : record.value().length);
        List<Header> headers = new ArrayList<>();
        headers.add(header("reason", "record_too_large"));
        headers.add(header("detail", detail));
        headers.add(header("topic", topic));
        return cut(new OutputRecord(DEAD_LETTERS, record.timestamp(), record.key(), record.value(), headers), limits);
    }

    private static OutputRecord cut(OutputRecord record, RecordLimits limits) {
        if (limits.fits(record)) {
            return record;
        }
        List<Header> headers = new ArrayList<>(record.headers());
        headers.add(header("cut_from_bytes", String.valueOf(record.value().length)));
        OutputRecord named = withValue(record, record.value(), headers);
        int room = Math.max(0, limits.room(named));
        return withValue(named, Arrays.copyOf(record.value(), Math.min(room, record.value().length)), headers);
    }

    private static OutputRecord withValue(OutputRecord record, byte[] value, List<Header> headers) {
        return new OutputRecord(record.target(), record.timestamp(), record.key(), value, headers);
    }

    private static Header header(String name, String value) {
        return new RecordHeader(name, value.getBytes(StandardCharsets.UTF_8));
    }
}
