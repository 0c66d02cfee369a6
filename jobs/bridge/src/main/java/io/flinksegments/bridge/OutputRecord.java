package io.flinksegments.bridge;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;

/**
 * One Kafka record that Python wrote; see docs/wire-formats.md.
 *
 * @param target index of the output topic
 * @param timestamp ms; null if it has none
 * @param key null if it has none
 * @param value null for a tombstone
 * @param headers in the order they were written
 */
record OutputRecord(int target, Long timestamp, byte[] key, byte[] value, List<Header> headers) {
    private static final int NULL = -1;

    /**
     * Reads the only record in the bytes.
     *
     * @throws IllegalArgumentException if the bytes are not one whole record
     */
    static OutputRecord parse(byte[] bytes) {
        if (end(bytes, 0) != bytes.length) {
            throw new IllegalArgumentException("Output frame holds more than one record.");
        }
        ByteBuffer in = reader(bytes, 0);
        int target = Byte.toUnsignedInt(in.get());
        int headerCount = Byte.toUnsignedInt(in.get());
        long timestamp = in.getLong();
        int keyLength = in.getInt();
        int valueLength = in.getInt();
        byte[] key = bytes(in, keyLength);
        byte[] value = bytes(in, valueLength);
        List<Header> headers = new ArrayList<>(headerCount);
        for (int i = 0; i < headerCount; i++) {
            byte[] name = bytes(in, Short.toUnsignedInt(in.getShort()));
            headers.add(new RecordHeader(new String(name, StandardCharsets.UTF_8), bytes(in, in.getInt())));
        }
        return new OutputRecord(target, timestamp < 0 ? null : timestamp, key, value, headers);
    }

    /**
     * Where the record that starts at {@code start} ends.
     *
     * @throws IllegalArgumentException if the frame ends within the record
     */
    static int end(byte[] frame, int start) {
        try {
            ByteBuffer in = reader(frame, start);
            in.get();
            int headerCount = Byte.toUnsignedInt(in.get());
            in.getLong();
            int keyLength = in.getInt();
            int valueLength = in.getInt();
            skip(in, keyLength);
            skip(in, valueLength);
            for (int i = 0; i < headerCount; i++) {
                skip(in, Short.toUnsignedInt(in.getShort()));
                skip(in, in.getInt());
            }
            return in.position();
        } catch (RuntimeException broken) {
            throw new IllegalArgumentException(
                    "Output frame of %d bytes is broken in the record at byte %d.".formatted(frame.length, start),
                    broken);
        }
    }

    private static ByteBuffer reader(byte[] frame, int start) {
        return ByteBuffer.wrap(frame, start, frame.length - start).order(ByteOrder.LITTLE_ENDIAN);
    }

    private static void skip(ByteBuffer in, int length) {
        if (length < NULL) {
            throw new IllegalArgumentException("Length is " + length + ".");
        }
        in.position(in.position() + Math.max(0, length));
    }

    private static byte[] bytes(ByteBuffer in, int length) {
        if (length == NULL) {
            return null;
        }
        byte[] bytes = new byte[length];
        in.get(bytes);
        return bytes;
    }
}
