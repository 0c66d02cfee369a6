package io.flinksegments.bridge;

import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.stream.Collectors;
import org.apache.kafka.clients.CommonClientConfigs;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AdminClientConfig;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.DescribeConfigsOptions;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.config.TopicConfig;
import org.apache.kafka.common.header.Header;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** How many bytes a record may have, by output topic: what the brokers say, so that none of them is refused there. */
final class RecordLimits {
    static final int KAFKA_DEFAULT = 1_048_588;

    private static final Logger LOG = LoggerFactory.getLogger(RecordLimits.class);
    private static final int OVERHEAD = 256; // of a batch of one record, and of its lengths
    private static final int HEADER_OVERHEAD = 8;
    private static final int TIMEOUT_MILLIS = 30_000;

    private final int[] limits;

    RecordLimits(int... limits) {
        this.limits = limits.clone();
    }

    /** Asks the brokers; a topic of which they say nothing has Kafka's default. */
    static RecordLimits ask(String bootstrapServers, Properties producerProperties, List<String> topics) {
        Properties properties = new Properties();
        properties.putAll(producerProperties);
        properties.put(CommonClientConfigs.BOOTSTRAP_SERVERS_CONFIG, bootstrapServers);
        properties.keySet().retainAll(adminOptions(properties));
        try (Admin admin = Admin.create(properties)) {
            Map<ConfigResource, KafkaFuture<Config>> answers =
                    admin.describeConfigs(topics.stream().map(RecordLimits::resource).toList(), patience()).values();
            return new RecordLimits(topics.stream()
                    .mapToInt(topic -> limit(topic, answers.get(resource(topic))))
                    .toArray());
        }
    }

    boolean fits(OutputRecord record) {
        return size(record) <= limits[record.target()];
    }

    /** How many bytes a value may have in this record: what its key and headers leave. */
    int room(OutputRecord record) {
        return limits[record.target()] - size(record) + length(record.value());
    }

    private static int size(OutputRecord record) {
        int size = OVERHEAD + length(record.key()) + length(record.value());
        for (Header header : record.headers()) {
            size += HEADER_OVERHEAD + header.key().getBytes(StandardCharsets.UTF_8).length + length(header.value());
        }
        return size;
    }

    private static int length(byte[] bytes) {
        return bytes == null ? 0 : bytes.length;
    }

    private static DescribeConfigsOptions patience() {
        return new DescribeConfigsOptions().timeoutMs(TIMEOUT_MILLIS);
    }

    private static ConfigResource resource(String topic) {
        return new ConfigResource(ConfigResource.Type.TOPIC, topic);
    }

    private static Set<Object> adminOptions(Properties properties) {
        return properties.keySet().stream()
                .filter(name -> AdminClientConfig.configNames().contains(name.toString()))
                .collect(Collectors.toSet());
    }

    private static int limit(String topic, KafkaFuture<Config> answer) {
        try {
            return Integer.parseInt(answer.get(2L * TIMEOUT_MILLIS, TimeUnit.MILLISECONDS)
                    .get(TopicConfig.MAX_MESSAGE_BYTES_CONFIG)
                    .value());
        } catch (InterruptedException ended) {
            Thread.currentThread().interrupt();
            return KAFKA_DEFAULT;
        } catch (ExecutionException | TimeoutException | RuntimeException unknown) {
            LOG.warn("How large a record of topic {} may be is not known, {} bytes are taken: {}",
                    topic, KAFKA_DEFAULT, unknown.toString());
            return KAFKA_DEFAULT;
        }
    }
}
