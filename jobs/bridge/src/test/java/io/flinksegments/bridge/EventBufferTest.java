package io.flinksegments.bridge;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.HexFormat;
import org.junit.jupiter.api.Test;

class EventBufferTest {
    private final EventBuffer buffer = new EventBuffer(1_000, 100);

    @Test
    void frameHasTheDocumentedBytes() {
        buffer.add(new EventRecord(258, new byte[] {9}, 255, 7, 5, -1, 0, Fault.BAD_TIME));
        buffer.add(new EventRecord(65_535, new byte[] {10, 11}, 0, 8, 6, 3, 0, Fault.NONE));
        String expected = "01000000 02000000" // kind, events
                + "0900000000000000" // watermark
                + "ffffffffffffffff 0300000000000000" // record timestamps
                + "0500000000000000 0600000000000000" // offsets
                + "01000000 02000000" // lengths
                + "07000000 08000000" // partitions
                + "0201 ffff" // shards
                + "ff 00" // topics
                + "05 00" // faults
                + "09 0a0b"; // payloads
        assertEquals(expected.replace(" ", ""), HexFormat.of().formatHex(buffer.drain(9)));
    }

    @Test
    void isEmptyAfterEachFrame() {
        for (int size : new int[] {1, 1_000, 70, 500}) {
            for (int i = 0; i < size; i++) {
                buffer.add(new EventRecord(i, new byte[0], 0, 0, i, 0, 0, Fault.NONE));
            }
            assertEquals(16 + 28 * size, buffer.drain(Frames.NO_WATERMARK).length);
            assertTrue(buffer.isEmpty());
        }
    }

    @Test
    void isFullByEventsOrBytes() {
        for (int i = 0; i < 999; i++) {
            buffer.add(Samples.event(0, ""));
            assertFalse(buffer.isFull());
        }
        buffer.add(Samples.event(0, ""));
        assertTrue(buffer.isFull());
        buffer.drain(Frames.NO_WATERMARK);
        buffer.add(Samples.event(0, "x".repeat(99)));
        assertFalse(buffer.isFull());
        buffer.add(Samples.event(0, "x"));
        assertTrue(buffer.isFull());
    }
}
