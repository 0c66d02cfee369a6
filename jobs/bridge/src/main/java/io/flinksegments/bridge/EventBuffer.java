package io.flinksegments.bridge;

import java.nio.ByteBuffer;
import java.util.Arrays;

/** Collects events as columns and turns them into one EVENTS frame; each payload is copied once. */
final class EventBuffer {
    private static final int COLUMN_BYTES =
            2 * Long.BYTES + 2 * Integer.BYTES + Short.BYTES + 2 * Byte.BYTES;

    private final int maxEvents;
    private final int maxBytes;
    private long[] recordTimestamps = {};
    private long[] offsets = {};
    private int[] partitions = {};
    private short[] shards = {};
    private byte[] topics = {};
    private byte[] faults = {};
    private byte[][] payloads = {};
    private int count;
    private int payloadBytes;

    EventBuffer(int maxEvents, int maxBytes) {
        this.maxEvents = maxEvents;
        this.maxBytes = maxBytes;
    }

    boolean isEmpty() {
        return count == 0;
    }

    int count() {
        return count;
    }

    /** True once there are {@code maxEvents} events or {@code maxBytes} bytes of payload. */
    boolean isFull() {
        return count >= maxEvents || payloadBytes >= maxBytes;
    }

    /** Adds an event; keeps a reference to its payload until {@link #drain}. */
    void add(EventRecord event) {
        if (count == offsets.length) {
            grow();
        }
        recordTimestamps[count] = event.recordTimestamp();
        offsets[count] = event.offset();
        partitions[count] = event.partition();
        shards[count] = (short) event.shard();
        topics[count] = (byte) event.topic();
        faults[count] = event.fault();
        payloads[count] = event.payload();
        payloadBytes += event.payload().length;
        count++;
    }

    /** The EVENTS frame of all events added since the last call, and the watermark after them; empties the buffer. */
    byte[] drain(long watermark) {
        ByteBuffer frame = Frames.frame(Frames.EVENTS, count, Long.BYTES + count * COLUMN_BYTES + payloadBytes);
        frame.putLong(watermark);
        putLongs(frame, recordTimestamps);
        putLongs(frame, offsets);
        for (int i = 0; i < count; i++) {
            frame.putInt(payloads[i].length);
        }
        frame.asIntBuffer().put(partitions, 0, count);
        frame.position(frame.position() + count * Integer.BYTES);
        frame.asShortBuffer().put(shards, 0, count);
        frame.position(frame.position() + count * Short.BYTES);
        frame.put(topics, 0, count).put(faults, 0, count);
        for (int i = 0; i < count; i++) {
            frame.put(payloads[i]);
        }
        Arrays.fill(payloads, 0, count, null);
        count = 0;
        payloadBytes = 0;
        return frame.array();
    }

    private void putLongs(ByteBuffer frame, long[] column) {
        frame.asLongBuffer().put(column, 0, count);
        frame.position(frame.position() + count * Long.BYTES);
    }

    private void grow() {
        int size = Math.min(maxEvents, Math.max(64, count * 2));
        recordTimestamps = Arrays.copyOf(recordTimestamps, size);
        offsets = Arrays.copyOf(offsets, size);
        partitions = Arrays.copyOf(partitions, size);
        shards = Arrays.copyOf(shards, size);
        topics = Arrays.copyOf(topics, size);
        faults = Arrays.copyOf(faults, size);
        payloads = Arrays.copyOf(payloads, size);
    }
}
