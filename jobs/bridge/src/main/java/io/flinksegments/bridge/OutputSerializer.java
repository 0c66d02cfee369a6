package io.flinksegments.bridge;

import java.util.List;
import java.util.Properties;
import org.apache.flink.api.common.serialization.SerializationSchema;
import org.apache.flink.connector.kafka.sink.KafkaRecordSerializationSchema;
import org.apache.flink.metrics.Counter;
import org.apache.flink.metrics.SimpleCounter;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Makes a Kafka record of one record that {@link Unbatcher} cut out. One that is larger than its topic takes is replaced
 * ({@link Oversized}): sent as it is it would fail the job, and again after each restart.
 */
public final class OutputSerializer implements KafkaRecordSerializationSchema<byte[]> {
    private static final Logger LOG = LoggerFactory.getLogger(OutputSerializer.class);
    private static final long SAID_EVERY_NANOS = 60_000_000_000L;

    private final String[] topics;
    private final String bootstrapServers;
    private final Properties producerProperties;
    private transient RecordLimits limits;
    private transient Counter oversized;
    private transient long said;

    /** Writes to the options' topics; a record names one by its index. */
    public OutputSerializer(SinkOptions options) {
        this.topics = options.topics().toArray(String[]::new);
        this.bootstrapServers = options.bootstrapServers();
        this.producerProperties = options.producerProperties();
    }

    @Override
    public void open(SerializationSchema.InitializationContext context, KafkaSinkContext sinkContext) {
        open(
                RecordLimits.ask(bootstrapServers, producerProperties, List.of(topics)),
                context.getMetricGroup().counter("oversized"));
    }

    void open(RecordLimits limits, Counter oversized) {
        this.limits = limits;
        this.oversized = oversized == null ? new SimpleCounter() : oversized;
        this.said = System.nanoTime() - SAID_EVERY_NANOS;
    }

    @Override
    public ProducerRecord<byte[], byte[]> serialize(byte[] bytes, KafkaSinkContext context, Long ignoredTime) {
        OutputRecord output = OutputRecord.parse(bytes);
        if (output.target() >= topics.length) {
            throw new IllegalArgumentException(
                    "Output record has target %d, but there are %d topics.".formatted(output.target(), topics.length));
        }
        if (!limits.fits(output)) {
            oversized.inc();
            say(topics[output.target()], bytes.length);
            output = Oversized.replace(output, topics[output.target()], limits);
        }
        return new ProducerRecord<>(
                topics[output.target()], null, output.timestamp(), output.key(), output.value(), output.headers());
    }

    private void say(String topic, int length) {
        if (System.nanoTime() - said >= SAID_EVERY_NANOS) {
            said = System.nanoTime();
            LOG.warn(
                    "A record of {} bytes is too large for topic {}: it is written shortened, or as a dead letter with the"
                            + " reason record_too_large. {} so far. Raise the topic's max.message.bytes and restart.",
                    length,
                    topic,
                    oversized.getCount());
        }
    }
}
