package io.flinksegments.bridge;

import static io.flinksegments.bridge.Samples.utf8;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import org.apache.flink.api.common.functions.util.ListCollector;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.header.Header;
import org.junit.jupiter.api.Test;

class OutputTest {
    private RecordLimits limits = new RecordLimits(Collections.nCopies(8, RecordLimits.KAFKA_DEFAULT).stream()
            .mapToInt(each -> each)
            .toArray());
    private final ByteArrayOutputStream frame = new ByteArrayOutputStream();

    @Test
    void frameBecomesRecordsInOrder() {
        write(0, 5, "anna", "entered", "cause", "timer", "trace", null);
        write(1, -1, "anna", null);
        write(3, 7, null, "");
        List<ProducerRecord<byte[], byte[]>> records = records();

        assertEquals(List.of("changes", "memberships", "late"), records.stream().map(ProducerRecord::topic).toList());
        assertArrayEquals(utf8("anna"), records.get(0).key());
        assertArrayEquals(utf8("entered"), records.get(0).value());
        assertEquals(5L, records.get(0).timestamp());
        Header[] headers = records.get(0).headers().toArray();
        assertEquals("cause", headers[0].key());
        assertArrayEquals(utf8("timer"), headers[0].value());
        assertEquals("trace", headers[1].key());
        assertNull(headers[1].value());

        assertNull(records.get(1).value(), "a tombstone");
        assertNull(records.get(1).timestamp());
        assertNull(records.get(1).partition(), "left to the producer");
        assertNull(records.get(2).key());
        assertEquals(0, records.get(2).value().length);
    }

    @Test
    void emptyFrameHasNoRecords() {
        assertTrue(records().isEmpty());
    }

    @Test
    void brokenFrameIsRefusedAtTheRecord() {
        write(0, 5, "anna", "entered", "cause", "timer");
        int second = frame.size();
        write(0, 5, "anna", "entered");
        byte[] whole = frame.toByteArray();
        for (int length = second + 1; length < whole.length; length++) {
            byte[] cut = Arrays.copyOf(whole, length);
            Exception error = assertThrows(IllegalArgumentException.class, () -> unbatch(cut));
            String expected = "Output frame of %d bytes is broken in the record at byte %d.";
            assertEquals(expected.formatted(length, second), error.getMessage());
        }
        whole[10] = -2;
        whole[11] = whole[12] = whole[13] = -1;
        assertThrows(IllegalArgumentException.class, () -> unbatch(whole), "key length -2");
    }

    @Test
    void unknownTargetIsRefused() {
        write(8, 5, "anna", "entered");
        Exception error = assertThrows(IllegalArgumentException.class, this::records);
        assertEquals("Output record has target 8, but there are 8 topics.", error.getMessage());
    }

    @Test
    void changeThatIsTooLargeGoesWithoutItsReasons() {
        limits = new RecordLimits(340, 340, 400, 400, 400, 340, 400, 400);
        String change = "{\"user_id\":\"anna\",\"seq\":9,\"because\":%s,\"score\":null}";
        write(0, 5, "anna", change.formatted("[{\"value\":\"" + "x".repeat(300) + "\"}]"));
        ProducerRecord<byte[], byte[]> record = records().get(0);

        assertEquals("changes", record.topic());
        assertEquals(change.formatted("[]"), new String(record.value(), StandardCharsets.UTF_8));
        assertArrayEquals(utf8("anna"), record.key());
    }

    @Test
    void whatDoesNotFitAtAllIsDeadLetterWithItsBeginning() {
        limits = new RecordLimits(300, 300, 600, 600, 600, 300, 600, 600);
        write(1, 5, "anna", "y".repeat(700));
        write(0, 5, "anna", "{\"segment\":\"" + "z".repeat(300) + "\",\"because\":[]}");
        for (ProducerRecord<byte[], byte[]> letter : records()) {
            assertEquals("dead", letter.topic());
            assertArrayEquals(utf8("anna"), letter.key());
            assertEquals("record_too_large", header(letter, "reason"));
            assertTrue(letter.value().length < 700);
        }
        assertEquals("memberships", header(records().get(0), "topic"));
        assertEquals("700", header(records().get(0), "cut_from_bytes"));
    }

    @Test
    void eventThatWasSetAsideIsCutToItsTopic() {
        limits = new RecordLimits(400, 400, 400, 400, 400, 400, 400, 400);
        write(2, 5, null, "e".repeat(800), "reason", "too_large");
        write(2, 5, null, "short", "reason", "not_json");
        List<ProducerRecord<byte[], byte[]>> letters = records();

        assertEquals("too_large", header(letters.get(0), "reason"));
        assertEquals("800", header(letters.get(0), "cut_from_bytes"));
        assertTrue(letters.get(0).value().length > 50 && letters.get(0).value().length < 400);
        assertArrayEquals(utf8("short"), letters.get(1).value());
        assertEquals(1, letters.get(1).headers().toArray().length);
    }

    private static String header(ProducerRecord<byte[], byte[]> record, String name) {
        return new String(record.headers().lastHeader(name).value(), StandardCharsets.UTF_8);
    }

    private List<ProducerRecord<byte[], byte[]>> records() {
        OutputSerializer serializer =
                new OutputSerializer(SinkOptions.of(Samples.sinkOptions()));
        serializer.open(limits, null);
        return unbatch(frame.toByteArray()).stream()
                .map(bytes -> serializer.serialize(bytes, null, null))
                .toList();
    }

    private static List<byte[]> unbatch(byte[] frame) {
        List<byte[]> records = new ArrayList<>();
        new Unbatcher().flatMap(frame, new ListCollector<>(records));
        return records;
    }

    private void write(int target, long timestamp, String key, String value, String... headers) {
        ByteBuffer out = ByteBuffer.allocate(1000).order(ByteOrder.LITTLE_ENDIAN);
        out.put((byte) target).put((byte) (headers.length / 2)).putLong(timestamp);
        out.putInt(length(key)).putInt(length(value));
        put(out, key);
        put(out, value);
        for (int i = 0; i < headers.length; i += 2) {
            out.putShort((short) headers[i].length());
            put(out, headers[i]);
            out.putInt(length(headers[i + 1]));
            put(out, headers[i + 1]);
        }
        frame.write(out.array(), 0, out.position());
    }

    private static int length(String text) {
        return text == null ? -1 : utf8(text).length;
    }

    private static void put(ByteBuffer out, String text) {
        if (text != null) {
            out.put(utf8(text));
        }
    }
}
