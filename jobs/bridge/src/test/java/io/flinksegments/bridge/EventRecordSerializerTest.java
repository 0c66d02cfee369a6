package io.flinksegments.bridge;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import org.apache.flink.api.common.serialization.SerializerConfigImpl;
import org.apache.flink.api.common.typeutils.TypeSerializer;
import org.apache.flink.core.memory.DataInputDeserializer;
import org.apache.flink.core.memory.DataOutputSerializer;
import org.junit.jupiter.api.Test;

class EventRecordSerializerTest {
    private final TypeSerializer<EventRecord> serializer =
            EventRecordTypeInfo.INSTANCE.createSerializer(new SerializerConfigImpl());
    private final EventRecord event =
            new EventRecord(32_767, Samples.utf8("payload"), 255, 1 << 30, 1L << 60, -1, Long.MIN_VALUE, Fault.BAD_TIME);

    @Test
    void readsWhatItWrote() throws IOException {
        DataOutputSerializer out = new DataOutputSerializer(16);
        serializer.serialize(event, out);
        assertEquals(38 + 7, out.length());
        assertSame(serializer.deserialize(new DataInputDeserializer(out.getCopyOfBuffer())));
    }

    @Test
    void copiesBytes() throws IOException {
        DataOutputSerializer out = new DataOutputSerializer(16);
        serializer.serialize(event, out);
        DataOutputSerializer copy = new DataOutputSerializer(16);
        serializer.copy(new DataInputDeserializer(out.getCopyOfBuffer()), copy);
        assertArrayEquals(out.getCopyOfBuffer(), copy.getCopyOfBuffer());
    }

    @Test
    void snapshotRestoresTheSerializer() {
        assertEquals(serializer, serializer.snapshotConfiguration().restoreSerializer());
    }

    private void assertSame(EventRecord read) {
        assertArrayEquals(event.payload(), read.payload());
        assertEquals(withPayloadOf(read, event), event);
    }

    private static EventRecord withPayloadOf(EventRecord event, EventRecord other) {
        return new EventRecord(
                event.shard(),
                other.payload(),
                event.topic(),
                event.partition(),
                event.offset(),
                event.recordTimestamp(),
                event.eventTime(),
                event.fault());
    }
}
