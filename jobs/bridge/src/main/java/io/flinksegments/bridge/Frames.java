package io.flinksegments.bridge;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** The frames from the bridge to Python; see docs/wire-formats.md. */
final class Frames {
    static final byte EVENTS = 1;
    static final byte TICK = 2;
    static final byte MARKER = 3;
    static final byte START = 4;

    /** Bytes before the rest of a frame: kind, padding, number of events. */
    static final int HEADER_BYTES = 8;

    private Frames() {}

    /** Says that no event older than the watermark (ms) is expected any more. */
    static byte[] tick(long watermark) {
        return frame(TICK, 0, Long.BYTES).putLong(watermark).array();
    }

    /** Asks Python to write a shard's state; {@link Long#MAX_VALUE} stands for the end of the input. */
    static byte[] marker(long checkpointId) {
        return frame(MARKER, 0, Long.BYTES).putLong(checkpointId).array();
    }

    /** Asks Python to load a shard. */
    static byte[] start() {
        return frame(START, 0, 0).array();
    }

    /** A frame with its header written and room for the rest. */
    static ByteBuffer frame(byte kind, int events, int restBytes) {
        return ByteBuffer.allocate(HEADER_BYTES + restBytes)
                .order(ByteOrder.LITTLE_ENDIAN)
                .put(kind)
                .put(new byte[3])
                .putInt(events);
    }
}
