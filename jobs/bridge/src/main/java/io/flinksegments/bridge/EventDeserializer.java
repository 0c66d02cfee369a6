package io.flinksegments.bridge;

import java.util.HashMap;
import java.util.Map;
import org.apache.flink.api.common.serialization.DeserializationSchema.InitializationContext;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.connector.kafka.source.reader.deserializer.KafkaRecordDeserializationSchema;
import org.apache.flink.util.Collector;
import org.apache.kafka.clients.consumer.ConsumerRecord;

/** Makes one {@link EventRecord} of each Kafka record, with a fault if it cannot be read; never throws. */
public final class EventDeserializer implements KafkaRecordDeserializationSchema<EventRecord> {
    private static final byte[] NOTHING = {};
    /** 2000-01-01: a smaller number is seconds taken for milliseconds, or nonsense. */
    private static final long OLDEST = 946_684_800_000L;
    /** 2100-01-01, for records that have no timestamp to compare with. */
    private static final long NEWEST = 4_102_444_800_000L;

    private final int shards;
    private final int maxEventBytes;
    private final long maxAheadMillis;
    private final long maxAgeMillis;
    private final Map<String, Integer> topics = new HashMap<>();
    private transient EventParser parser;

    /** Reads with the limits of the options. */
    public EventDeserializer(SourceOptions options) {
        shards = options.shards();
        maxEventBytes = options.maxEventBytes();
        maxAheadMillis = options.maxAheadMillis();
        maxAgeMillis = options.maxAgeMillis();
        options.topics().forEach(topic -> topics.put(topic, topics.size()));
    }

    @Override
    public void open(InitializationContext context) {
        parser = new EventParser();
    }

    @Override
    public void deserialize(ConsumerRecord<byte[], byte[]> record, Collector<EventRecord> out) {
        byte fault = fault(record);
        boolean userKnown = fault == Fault.NONE || fault == Fault.BAD_TIME;
        out.collect(new EventRecord(
                userKnown
                        ? Shards.ofUser(parser.user(), shards)
                        : Shards.ofFaulty(record.partition(), record.offset(), shards),
                record.value() == null ? NOTHING : record.value(),
                topics.getOrDefault(record.topic(), 0),
                record.partition(),
                record.offset(),
                record.timestamp(),
                fault == Fault.NONE ? parser.time() : EventRecord.NO_TIME,
                fault));
    }

    private byte fault(ConsumerRecord<byte[], byte[]> record) {
        byte[] value = record.value();
        if (value == null) {
            return Fault.NO_BYTES;
        }
        if (value.length > maxEventBytes) {
            return Fault.TOO_LARGE;
        }
        byte fault = parser.parse(value);
        return fault == Fault.NONE && !isPlausible(parser.time(), record.timestamp()) ? Fault.BAD_TIME : fault;
    }

    private boolean isPlausible(long time, long recordTimestamp) {
        if (time < OLDEST || time >= NEWEST) {
            return false;
        }
        long ahead = time - recordTimestamp;
        return recordTimestamp < 0 || ahead <= maxAheadMillis && ahead >= -maxAgeMillis;
    }

    @Override
    public TypeInformation<EventRecord> getProducedType() {
        return EventRecordTypeInfo.INSTANCE;
    }
}
