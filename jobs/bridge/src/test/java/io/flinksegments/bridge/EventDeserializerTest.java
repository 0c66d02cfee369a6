package io.flinksegments.bridge;

import static io.flinksegments.bridge.Samples.DAY;
import static io.flinksegments.bridge.Samples.NOON;
import static io.flinksegments.bridge.Samples.SHARDS;
import static io.flinksegments.bridge.Samples.utf8;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.apache.flink.api.common.functions.util.ListCollector;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class EventDeserializerTest {
    private static final String TIME = "\"timestamp\":\"2026-11-22T10:15:30.123Z\"";
    private static final int FAULTY_SHARD = (3 * 31 + 41) % SHARDS;

    private final EventDeserializer deserializer =
            new EventDeserializer(SourceOptions.of(Samples.sourceOptions("max.event.bytes", "100000")));

    EventDeserializerTest() {
        deserializer.open(null);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "{'userId':'anna','timestamp':1795342530123}                              | anna",
                "{'timestamp':1795342530123.9,'userId':'anna'}                            | anna",
                "{'timestamp':'2026-11-22T10:15:30.123Z','userId':'anna'}                 | anna",
                "{'timestamp':'2026-11-22T12:15:30.123+02:00','userId':'anna'}            | anna",
                "{'timestamp':'2026-11-22 10:15:30.123','userId':'anna'}                  | anna",
                "{'timestamp':1795342530123,'userId':42}                                  | 42",
                "{'timestamp':1795342530123,'userId':-0}                                  | 0",
                "{'timestamp':1795342530123,'userId':123456789012345678901234567890}      | 123456789012345678901234567890",
                "{'timestamp':1795342530123,'anonymousId':'visitor'}                      | visitor",
                "{'anonymousId':'visitor','timestamp':1795342530123,'userId':'anna'}      | anna",
                "{'anonymousId':'visitor','timestamp':1795342530123,'userId':null}        | visitor",
                "{'anonymousId':'visitor','timestamp':1795342530123,'userId':''}          | visitor",
                "{'userId':['x'],'anonymousId':'visitor','timestamp':1795342530123}       | visitor",
                "{'userId':'anna','userId':'otto','timestamp':1795342530123}              | anna",
                "{'p':{'userId':'otto','a':[{'userId':1}]},'userId':'anna','timestamp':1795342530123} | anna",
                "{'userId':'\\u00e4nn\\u00e4 \\ud83d\\ude00','timestamp':1795342530123}   | `änn\u00e4 \uD83D\uDE00`",
                "{'userId':'anna','timestamp':1795342530123, and the rest is never read   | anna",
            })
    void readsUserAndTime(String json, String user) {
        EventRecord event = read(json.replace('\'', '"'));
        assertEquals(Fault.NONE, event.fault());
        assertEquals(NOON, event.eventTime());
        assertEquals(Shards.ofUser(user, SHARDS), event.shard());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "``                                                    | 1",
                "no json                                               | 1",
                "[1]                                                   | 1",
                "'text'                                                | 1",
                "null                                                  | 1",
                "{'userId':'anna'                                      | 1",
                "{'userId':'anna',}                                    | 1",
                "{'timestamp':1795342530123,'userId':'\\ud800'}        | 1",
                "{'timestamp':1795342530123,'userId':'a\\udc00b'}      | 1",
                "{'timestamp':1795342530123,'userId':01}               | 1",
                "{'timestamp':9999999999999999999999,'userId':'anna'}  | 1",
                "{}                                                    | 2",
                "{'timestamp':1795342530123}                           | 2",
                "{'timestamp':1795342530123,'userId':''}               | 2",
                "{'timestamp':1795342530123,'userId':1.5}              | 2",
                "{'timestamp':1795342530123,'userId':true}             | 2",
                "{'timestamp':1795342530123,'userId':{'id':'anna'}}    | 2",
                "{'userId':'anna'}                                     | 5",
                "{'userId':'anna','timestamp':null}                    | 5",
                "{'userId':'anna','timestamp':true}                    | 5",
                "{'userId':'anna','timestamp':[1795342530123]}         | 5",
                "{'userId':'anna','timestamp':'yesterday'}             | 5",
                "{'userId':'anna','timestamp':'1795342530123'}         | 5",
                "{'userId':'anna','timestamp':1795342530}              | 5",
                "{'userId':'anna','timestamp':-9223372036854775808}    | 5",
                "{'userId':'anna','timestamp':9223372036854775807}     | 5",
                "{'userId':'anna','timestamp':1e300}                   | 5",
                "{'userId':'anna','timestamp':'9999-12-31'}            | 5",
            })
    void namesTheFault(String json, byte fault) {
        EventRecord event = read(json.replace('\'', '"'));
        assertEquals(fault, event.fault());
        assertEquals(EventRecord.NO_TIME, event.eventTime());
        int shard = fault == Fault.BAD_TIME ? Shards.ofUser("anna", SHARDS) : FAULTY_SHARD;
        assertEquals(shard, event.shard());
        assertEquals(json.replace('\'', '"'), new String(event.payload()));
    }

    @Test
    void keepsWhereTheRecordCameFrom() {
        byte[] value = utf8("{\"userId\":\"anna\"," + TIME + "}");
        EventRecord event = read(Samples.record("control", NOON, value));
        assertEquals(1, event.topic());
        assertEquals(3, event.partition());
        assertEquals(41, event.offset());
        assertEquals(NOON, event.recordTimestamp());
        assertArrayEquals(value, event.payload());
    }

    @Test
    void nullValueIsAFault() {
        EventRecord event = read(Samples.record("events", NOON, null));
        assertEquals(Fault.NO_BYTES, event.fault());
        assertEquals(0, event.payload().length);
    }

    @Test
    void tooLargeKeepsItsBytes() {
        byte[] value = utf8("{\"userId\":\"anna\"," + TIME + ",\"x\":\"" + "y".repeat(100_000) + "\"}");
        EventRecord event = read(Samples.record("events", NOON, value));
        assertEquals(Fault.TOO_LARGE, event.fault());
        assertArrayEquals(value, event.payload());
    }

    @Test
    void deepNestingIsUnreadable() {
        assertEquals(Fault.UNREADABLE, read("{\"x\":" + "[".repeat(50_000)).fault());
        assertEquals(Fault.UNREADABLE, read("[".repeat(50_000)).fault());
    }

    @ParameterizedTest
    @CsvSource({"86400000, 0", "86400001, 5", "-2592000000, 0", "-2592000001, 5"})
    void timeMustBeNearTheRecords(long ahead, byte fault) {
        byte[] value = utf8("{\"userId\":\"anna\",\"timestamp\":" + NOON + "}");
        assertEquals(fault, read(Samples.record("events", NOON - ahead, value)).fault());
    }

    @Test
    void recordWithoutTimestampHasNothingToCompareWith() {
        byte[] value = utf8("{\"userId\":\"anna\",\"timestamp\":" + (NOON - 3000 * DAY) + "}");
        assertEquals(Fault.NONE, read(Samples.record("events", -1, value)).fault());
        assertEquals(Fault.BAD_TIME, read(Samples.record("events", Long.MAX_VALUE, value)).fault());
    }

    @Test
    void shardIsTheCrcThatTheWireFormatNames() {
        // python: zlib.crc32("anna".encode()) % 32768, zlib.crc32("änn😀".encode()) % 32768
        assertEquals(16055, Shards.ofUser("anna", 1 << 15));
        assertEquals(9630, Shards.ofUser("änn\uD83D\uDE00", 1 << 15));
    }

    @Test
    void neverThrows() {
        Random random = new Random(7);
        byte[] good = utf8("{\"p\":{\"a\":[1,2.5e3,null]},\"userId\":\"\\u00e4nna\"," + TIME + "}");
        for (int i = 0; i < 200_000; i++) {
            byte[] value = i % 4 == 0 ? new byte[random.nextInt(40)] : good.clone();
            if (i % 4 == 0) {
                random.nextBytes(value);
            }
            for (int hits = random.nextInt(4); hits > 0 && value.length > 0; hits--) {
                value[random.nextInt(value.length)] = (byte) random.nextInt();
            }
            EventRecord event = read(Samples.record("events", NOON, value));
            assertTrue(event.shard() >= 0 && event.shard() < SHARDS);
            assertEquals(event.fault() != Fault.NONE, event.eventTime() == EventRecord.NO_TIME);
        }
    }

    private EventRecord read(String json) {
        return read(Samples.record("events", NOON, utf8(json)));
    }

    private EventRecord read(ConsumerRecord<byte[], byte[]> record) {
        List<EventRecord> events = new ArrayList<>();
        deserializer.deserialize(record, new ListCollector<>(events));
        assertEquals(1, events.size());
        return events.get(0);
    }
}
