package io.flinksegments.bridge;

import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.flink.connector.base.DeliveryGuarantee;

/**
 * What {@link Bridge#sinks} needs to know; there are no defaults here, they belong to the caller.
 *
 * @param bootstrapServers {@code bootstrap.servers}: Kafka, {@code host:port} with commas between
 * @param topics {@code topic.changes}, {@code topic.memberships}, {@code topic.dead.letters}, {@code topic.late.events},
 *     {@code topic.audit}, {@code topic.shadow.changes}, {@code topic.control}, {@code topic.internal}: targets 0 to 7 of
 *     an output frame
 * @param guarantee {@code delivery.guarantee}: exactly-once, at-least-once, none
 * @param transactionalIdPrefix {@code transactional.id.prefix}: needed for exactly-once and refused otherwise; its own
 *     for each job on a Kafka cluster, the same after a restart
 * @param producerProperties {@code producer.*}: passed to the Kafka producer without the prefix
 */
public record SinkOptions(
        String bootstrapServers,
        List<String> topics,
        DeliveryGuarantee guarantee,
        String transactionalIdPrefix,
        Properties producerProperties) {

    /**
     * Reads and checks the options.
     *
     * @throws IllegalArgumentException if any is missing, wrong or unknown; its message names all of them
     */
    public static SinkOptions of(Map<String, String> options) {
        OptionReader in = new OptionReader("Kafka sink", options);
        DeliveryGuarantee guarantee = in.choice("delivery.guarantee", DeliveryGuarantee.class);
        SinkOptions read = new SinkOptions(
                in.text("bootstrap.servers"),
                List.of(
                        in.text("topic.changes"),
                        in.text("topic.memberships"),
                        in.text("topic.dead.letters"),
                        in.text("topic.late.events"),
                        in.text("topic.audit"),
                        in.text("topic.shadow.changes"),
                        in.text("topic.control"),
                        in.text("topic.internal")),
                guarantee,
                guarantee == DeliveryGuarantee.EXACTLY_ONCE ? in.text("transactional.id.prefix") : "",
                in.prefixed("producer."));
        in.finish();
        return read;
    }
}
