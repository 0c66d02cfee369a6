package io.flinksegments.bridge;

import java.util.Collection;
import java.util.Map;
import org.apache.flink.api.common.typeinfo.PrimitiveArrayTypeInfo;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.connector.base.DeliveryGuarantee;
import org.apache.flink.connector.kafka.sink.KafkaSink;
import org.apache.flink.connector.kafka.sink.KafkaSinkBuilder;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.KafkaSourceBuilder;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.datastream.DataStreamUtils;
import org.apache.flink.streaming.api.datastream.KeyedStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.types.Row;
import org.apache.kafka.clients.consumer.OffsetResetStrategy;
import org.apache.kafka.common.TopicPartition;

/** What Python calls: Kafka to frames, and frames to Kafka. */
public final class Bridge {
    /** A frame as PyFlink sees it: the shard, then the bytes. */
    static final TypeInformation<Row> FRAME_TYPE =
            Types.ROW(Types.INT, PrimitiveArrayTypeInfo.BYTE_PRIMITIVE_ARRAY_TYPE_INFO);

    // Else a fetch returns with the first record, and at some thousand events/s the broker is busy with answering.
    private static final String FETCH_MIN_BYTES = "16384";
    private static final String FETCH_MAX_WAIT_MILLIS = "10";

    private Bridge() {}

    /**
     * Reads events from Kafka and sends them as frames, keyed by shard; see {@link SourceOptions}.
     *
     * @throws IllegalArgumentException if an option is missing, wrong or unknown
     */
    public static KeyedStream<Row, Row> events(StreamExecutionEnvironment env, Map<String, String> options) {
        SourceOptions read = SourceOptions.of(options);
        DataStream<EventRecord> events = env.fromSource(
                        source(read),
                        new EventClock(read.outOfOrdernessMillis(), read.idleAfterMillis()),
                        "Kafka events")
                .uid("kafka-events");
        return frames(events, read.bounded() ? null : control(env, read), read);
    }

    /**
     * One reader: the topics have one partition each, and its order is what counts. The job writes to both itself, so it
     * reads only what is committed.
     */
    private static DataStream<EventRecord> control(StreamExecutionEnvironment env, SourceOptions options) {
        KafkaSource<EventRecord> source = KafkaSource.<EventRecord>builder()
                .setProperties(options.consumerProperties())
                .setProperty("isolation.level", "read_committed")
                .setBootstrapServers(options.bootstrapServers())
                .setTopics(options.controlTopic(), options.internalTopic())
                .setGroupId(options.groupId())
                .setClientIdPrefix(options.groupId() + "-control")
                .setStartingOffsets(OffsetsInitializer.earliest())
                .setDeserializer(new ControlDeserializer())
                .build();
        return env.fromSource(source, new TimelessClock(), "Kafka control")
                .setParallelism(1)
                .uid("kafka-control");
    }

    /**
     * Batches events by the subtask that owns their shard, which needs no keyed state and so no state backend; control
     * records, if there are any, go to all subtasks.
     */
    static KeyedStream<Row, Row> frames(
            DataStream<EventRecord> events, DataStream<EventRecord> control, SourceOptions options) {
        KeyedStream<EventRecord, Row> keyed = events.keyBy(new Shards.EventKey(options.shards()), Shards.KEY_TYPE);
        DataStream<EventRecord> input = new DataStream<>(keyed.getExecutionEnvironment(), keyed.getTransformation());
        DataStream<Row> frames = (control == null ? input : input.union(control.broadcast()))
                .transform("Batch events", FRAME_TYPE, new FrameBatcher(options))
                .uid("batch-events");
        return DataStreamUtils.reinterpretAsKeyedStream(frames, new Shards.FrameKey(), Shards.KEY_TYPE);
    }

    /**
     * Writes the records of output frames to Kafka; see {@link SinkOptions}.
     *
     * @throws IllegalArgumentException if an option is missing, wrong or unknown
     */
    public static void sinks(DataStream<byte[]> frames, Map<String, String> options) {
        SinkOptions read = SinkOptions.of(options);
        frames.flatMap(new Unbatcher(), PrimitiveArrayTypeInfo.BYTE_PRIMITIVE_ARRAY_TYPE_INFO)
                .name("Unbatch records")
                .uid("unbatch-records")
                .sinkTo(sink(read))
                .name("Kafka records")
                .uid("kafka-records");
    }

    private static KafkaSource<EventRecord> source(SourceOptions options) {
        KafkaSourceBuilder<EventRecord> builder = KafkaSource.<EventRecord>builder()
                .setProperty("fetch.min.bytes", FETCH_MIN_BYTES)
                .setProperty("fetch.max.wait.ms", FETCH_MAX_WAIT_MILLIS)
                .setProperties(options.consumerProperties())
                .setBootstrapServers(options.bootstrapServers())
                .setTopics(options.topics())
                .setGroupId(options.groupId())
                .setStartingOffsets(startingOffsets(options))
                .setDeserializer(new EventDeserializer(options));
        return (options.bounded() ? builder.setBounded(OffsetsInitializer.latest()) : builder).build();
    }

    /** Where a job without state begins. A restored one whose next event Kafka has removed takes the oldest that is left. */
    @SuppressWarnings("deprecation") // Kafka deprecates OffsetResetStrategy, but the connector has no other way.
    static OffsetsInitializer startingOffsets(SourceOptions options) {
        return switch (options.start()) {
            case EARLIEST -> OffsetsInitializer.earliest();
            case LATEST -> new ThenEarliest(OffsetsInitializer.latest());
            case COMMITTED -> OffsetsInitializer.committedOffsets(OffsetResetStrategy.EARLIEST);
            case TIMESTAMP -> new ThenEarliest(OffsetsInitializer.timestamp(options.startTimestamp()));
        };
    }

    /** The connector's own would have such a job skip all there is and wait for the next event. */
    @SuppressWarnings("deprecation") // as above
    private record ThenEarliest(OffsetsInitializer first) implements OffsetsInitializer {
        @Override
        public Map<TopicPartition, Long> getPartitionOffsets(
                Collection<TopicPartition> partitions, PartitionOffsetsRetriever retriever) {
            return first.getPartitionOffsets(partitions, retriever);
        }

        @Override
        public OffsetResetStrategy getAutoOffsetResetStrategy() {
            return OffsetResetStrategy.EARLIEST;
        }
    }

    private static KafkaSink<byte[]> sink(SinkOptions options) {
        KafkaSinkBuilder<byte[]> builder = KafkaSink.<byte[]>builder()
                .setKafkaProducerConfig(options.producerProperties())
                .setBootstrapServers(options.bootstrapServers())
                .setRecordSerializer(new OutputSerializer(options))
                .setDeliveryGuarantee(options.guarantee());
        boolean transactions = options.guarantee() == DeliveryGuarantee.EXACTLY_ONCE;
        return (transactions ? builder.setTransactionalIdPrefix(options.transactionalIdPrefix()) : builder).build();
    }
}
