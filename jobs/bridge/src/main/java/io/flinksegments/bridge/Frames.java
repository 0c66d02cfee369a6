package io.flinksegments.bridge;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** The frames from the bridge to Python; see docs/wire-formats.md. */
final class Frames {
    static final byte EVENTS = 1;
    static final byte TICK = 2;
    static final byte MARKER = 3;
    static final byte START = 4;
    static final byte CONTROL = 5;

    /** In place of the watermark of an EVENTS frame to which none came, or of a TICK with which time stands still. */
    static final long NO_WATERMARK = Long.MIN_VALUE;

    /** Bytes before the rest of a frame: kind, padding, number of events or shards. */
    static final int HEADER_BYTES = 8;

    private Frames() {}

    /** Says that no event older than the watermark (ms) is expected any more. */
    static byte[] tick(long watermark) {
        return frame(TICK, 0, Long.BYTES).putLong(watermark).array();
    }

    /** Asks Python to write the state of these shards; {@link Long#MAX_VALUE} stands for the end of the input. */
    static byte[] marker(long checkpointId, int[] shards) {
        ByteBuffer frame = frame(MARKER, shards.length, Long.BYTES + shards.length * Short.BYTES);
        return putShards(frame.putLong(checkpointId), shards);
    }

    /** Asks Python to load these shards. */
    static byte[] start(int[] shards) {
        return putShards(frame(START, shards.length, shards.length * Short.BYTES), shards);
    }

    /** Hands over one record of the control topic. */
    static byte[] control(EventRecord record) {
        byte[] payload = record.payload();
        return frame(CONTROL, payload.length, 2 * Long.BYTES + payload.length)
                .putLong(record.offset())
                .putLong(record.recordTimestamp())
                .put(payload)
                .array();
    }

    private static byte[] putShards(ByteBuffer frame, int[] shards) {
        for (int shard : shards) {
            frame.putShort((short) shard);
        }
        return frame.array();
    }

    /** A frame with its header written and room for the rest. */
    static ByteBuffer frame(byte kind, int count, int restBytes) {
        return ByteBuffer.allocate(HEADER_BYTES + restBytes)
                .order(ByteOrder.LITTLE_ENDIAN)
                .put(kind)
                .put(new byte[3])
                .putInt(count);
    }
}
