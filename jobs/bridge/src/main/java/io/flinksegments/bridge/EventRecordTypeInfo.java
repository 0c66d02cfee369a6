package io.flinksegments.bridge;

import org.apache.flink.api.common.serialization.SerializerConfig;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeutils.TypeSerializer;

/** Tells Flink to use {@link EventRecordSerializer}. */
public final class EventRecordTypeInfo extends TypeInformation<EventRecord> {
    /** The only instance; it has no state. */
    public static final EventRecordTypeInfo INSTANCE = new EventRecordTypeInfo();

    private EventRecordTypeInfo() {}

    @Override
    public boolean isBasicType() {
        return false;
    }

    @Override
    public boolean isTupleType() {
        return false;
    }

    @Override
    public int getArity() {
        return 1;
    }

    @Override
    public int getTotalFields() {
        return 1;
    }

    @Override
    public Class<EventRecord> getTypeClass() {
        return EventRecord.class;
    }

    @Override
    public boolean isKeyType() {
        return false;
    }

    @Override
    public TypeSerializer<EventRecord> createSerializer(SerializerConfig config) {
        return EventRecordSerializer.INSTANCE;
    }

    @Override
    public String toString() {
        return "EventRecord";
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof EventRecordTypeInfo;
    }

    @Override
    public int hashCode() {
        return EventRecordTypeInfo.class.hashCode();
    }

    @Override
    public boolean canEqual(Object other) {
        return other instanceof EventRecordTypeInfo;
    }
}
