package io.flinksegments.bridge;

import java.io.IOException;
import org.apache.flink.api.common.typeutils.SimpleTypeSerializerSnapshot;
import org.apache.flink.api.common.typeutils.TypeSerializerSnapshot;
import org.apache.flink.api.common.typeutils.base.TypeSerializerSingleton;
import org.apache.flink.core.memory.DataInputView;
import org.apache.flink.core.memory.DataOutputView;

/** Writes an {@link EventRecord} between the source and the batcher: 38 bytes, then the payload. */
public final class EventRecordSerializer extends TypeSerializerSingleton<EventRecord> {
    /** The only instance; it has no state. */
    public static final EventRecordSerializer INSTANCE = new EventRecordSerializer();

    private static final byte[] NOTHING = {};

    @Override
    public boolean isImmutableType() {
        return true;
    }

    @Override
    public EventRecord createInstance() {
        return new EventRecord(0, NOTHING, 0, 0, 0, -1, EventRecord.NO_TIME, Fault.NO_BYTES);
    }

    @Override
    public EventRecord copy(EventRecord from) {
        return from;
    }

    @Override
    public EventRecord copy(EventRecord from, EventRecord reuse) {
        return from;
    }

    @Override
    public int getLength() {
        return -1;
    }

    @Override
    public void serialize(EventRecord event, DataOutputView out) throws IOException {
        out.writeInt(event.shard());
        out.writeByte(event.topic());
        out.writeByte(event.fault());
        out.writeInt(event.partition());
        out.writeLong(event.offset());
        out.writeLong(event.recordTimestamp());
        out.writeLong(event.eventTime());
        out.writeInt(event.payload().length);
        out.write(event.payload());
    }

    @Override
    public EventRecord deserialize(DataInputView in) throws IOException {
        int shard = in.readInt();
        int topic = in.readUnsignedByte();
        byte fault = in.readByte();
        int partition = in.readInt();
        long offset = in.readLong();
        long recordTimestamp = in.readLong();
        long eventTime = in.readLong();
        byte[] payload = new byte[in.readInt()];
        in.readFully(payload);
        return new EventRecord(shard, payload, topic, partition, offset, recordTimestamp, eventTime, fault);
    }

    @Override
    public EventRecord deserialize(EventRecord reuse, DataInputView in) throws IOException {
        return deserialize(in);
    }

    @Override
    public void copy(DataInputView in, DataOutputView out) throws IOException {
        serialize(deserialize(in), out);
    }

    @Override
    public TypeSerializerSnapshot<EventRecord> snapshotConfiguration() {
        return new Snapshot();
    }

    /** Names the serializer in checkpoints that hold records in flight. */
    public static final class Snapshot extends SimpleTypeSerializerSnapshot<EventRecord> {
        /** Called by Flink on restore. */
        public Snapshot() {
            super(() -> INSTANCE);
        }
    }
}
