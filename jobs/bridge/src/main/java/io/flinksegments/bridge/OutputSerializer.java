package io.flinksegments.bridge;

import java.util.List;
import org.apache.flink.connector.kafka.sink.KafkaRecordSerializationSchema;
import org.apache.kafka.clients.producer.ProducerRecord;

/** Makes a Kafka record of one record that {@link Unbatcher} cut out. */
public final class OutputSerializer implements KafkaRecordSerializationSchema<byte[]> {
    private final String[] topics;

    /** Writes to these topics; a record names one by its index. */
    public OutputSerializer(List<String> topics) {
        this.topics = topics.toArray(String[]::new);
    }

    @Override
    public ProducerRecord<byte[], byte[]> serialize(byte[] bytes, KafkaSinkContext context, Long ignoredTime) {
        OutputRecord output = OutputRecord.parse(bytes);
        if (output.target() >= topics.length) {
            throw new IllegalArgumentException(
                    "Output record has target %d, but there are %d topics.".formatted(output.target(), topics.length));
        }
        return new ProducerRecord<>(
                topics[output.target()], null, output.timestamp(), output.key(), output.value(), output.headers());
    }
}
