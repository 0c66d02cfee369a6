package io.flinksegments.bridge;

import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.connector.kafka.source.reader.deserializer.KafkaRecordDeserializationSchema;
import org.apache.flink.util.Collector;
import org.apache.kafka.clients.consumer.ConsumerRecord;

/** Passes the records of the control topic on as they are: Python reads them, and refuses what it cannot read. */
public final class ControlDeserializer implements KafkaRecordDeserializationSchema<EventRecord> {
    private static final byte[] NOTHING = {};

    @Override
    public void deserialize(ConsumerRecord<byte[], byte[]> record, Collector<EventRecord> out) {
        out.collect(new EventRecord(
                0,
                record.value() == null ? NOTHING : record.value(),
                EventRecord.CONTROL,
                record.partition(),
                record.offset(),
                record.timestamp(),
                EventRecord.NO_TIME,
                Fault.NONE));
    }

    @Override
    public TypeInformation<EventRecord> getProducedType() {
        return EventRecordTypeInfo.INSTANCE;
    }
}
