package io.flinksegments.bridge;

import java.io.Serializable;
import java.util.List;
import java.util.Map;
import java.util.Properties;

/**
 * What {@link Bridge#events} needs to know; there are no defaults here, they belong to the caller.
 *
 * @param bootstrapServers {@code bootstrap.servers}: Kafka, {@code host:port} with commas between
 * @param topics {@code topics}: with commas between; a frame names a topic by its index here (at most 255)
 * @param groupId {@code group.id}: the consumer group that offsets are committed to
 * @param start {@code start}: earliest, latest, committed (else earliest), timestamp; only for a start without state
 * @param startTimestamp {@code start.timestamp.ms}: needed for {@code start=timestamp} and refused otherwise
 * @param bounded {@code bounded}: true ends the job at the offsets that are the latest when it starts
 * @param controlTopic {@code control.topic}: what the running job is told, from its beginning on; refused when bounded
 * @param internalTopic {@code internal.topic}: what the workers tell each other, read as the control topic is; refused when
 *     bounded
 * @param shards {@code shards}: 1 to 32768; fixed for the life of the state
 * @param maxEventBytes {@code max.event.bytes}: a larger record has fault 3
 * @param maxAheadMillis {@code max.ahead.ms}: an event this much newer than its Kafka record has fault 5
 * @param maxAgeMillis {@code max.age.ms}: an event this much older than its Kafka record has fault 5
 * @param outOfOrdernessMillis {@code out.of.orderness.ms}: how far the watermark stays behind the newest event
 * @param idleAfterMillis {@code idle.after.ms}: a partition without events for that long holds nothing back; 0: never
 * @param followWallClock {@code follow.wall.clock}: event time goes on while all partitions are idle
 * @param batchMaxEvents {@code batch.max.events}: a frame has at most so many events
 * @param batchMaxBytes {@code batch.max.bytes}: a frame is sent once its payloads have so many bytes
 * @param lingerMinMillis {@code batch.linger.min.ms}: how long a batch waits when Python is idle
 * @param lingerMaxMillis {@code batch.linger.max.ms}: how long a batch waits at most
 * @param consumerProperties {@code consumer.*}: passed to the Kafka consumer without the prefix
 */
public record SourceOptions(
        String bootstrapServers,
        List<String> topics,
        String groupId,
        Start start,
        long startTimestamp,
        boolean bounded,
        String controlTopic,
        String internalTopic,
        int shards,
        int maxEventBytes,
        long maxAheadMillis,
        long maxAgeMillis,
        long outOfOrdernessMillis,
        long idleAfterMillis,
        boolean followWallClock,
        int batchMaxEvents,
        int batchMaxBytes,
        long lingerMinMillis,
        long lingerMaxMillis,
        Properties consumerProperties)
        implements Serializable {

    /** Where a job without state begins to read. */
    public enum Start {
        EARLIEST,
        LATEST,
        COMMITTED,
        TIMESTAMP
    }

    private static final int MAX_BATCH_EVENTS = 1_000_000;
    private static final int MAX_BATCH_BYTES = 256 << 20;
    private static final long MAX_MILLIS = 1L << 42;

    /**
     * Reads and checks the options.
     *
     * @throws IllegalArgumentException if any is missing, wrong or unknown; its message names all of them
     */
    public static SourceOptions of(Map<String, String> options) {
        OptionReader in = new OptionReader("event source", options);
        Start start = in.choice("start", Start.class);
        boolean bounded = in.flag("bounded");
        SourceOptions read = new SourceOptions(
                in.text("bootstrap.servers"),
                in.list("topics"),
                in.text("group.id"),
                start,
                start == Start.TIMESTAMP ? in.number("start.timestamp.ms", 0, Long.MAX_VALUE) : 0,
                bounded,
                bounded ? "" : in.text("control.topic"),
                bounded ? "" : in.text("internal.topic"),
                in.smallNumber("shards", 1, 1 << 15),
                in.smallNumber("max.event.bytes", 1, Integer.MAX_VALUE),
                in.number("max.ahead.ms", 0, MAX_MILLIS),
                in.number("max.age.ms", 0, MAX_MILLIS),
                in.number("out.of.orderness.ms", 0, MAX_MILLIS),
                in.number("idle.after.ms", 0, MAX_MILLIS),
                in.flag("follow.wall.clock"),
                in.smallNumber("batch.max.events", 1, MAX_BATCH_EVENTS),
                in.smallNumber("batch.max.bytes", 1, MAX_BATCH_BYTES),
                in.number("batch.linger.min.ms", 0, MAX_MILLIS),
                in.number("batch.linger.max.ms", 0, MAX_MILLIS),
                in.prefixed("consumer."));
        read.checkTogether(in);
        in.finish();
        return read;
    }

    private void checkTogether(OptionReader in) {
        if (topics.size() > EventRecord.CONTROL || topics.stream().distinct().count() < topics.size()) {
            in.problem("topics must be at most %d different names".formatted(EventRecord.CONTROL));
        }
        if (topics.contains(controlTopic)) {
            in.problem("control.topic is among the topics");
        }
        if (topics.contains(internalTopic)) {
            in.problem("internal.topic is among the topics");
        }
        if (bounded && (followWallClock || idleAfterMillis > 0)) {
            in.problem("a bounded run never looks at the wall clock: "
                    + "set follow.wall.clock to false and idle.after.ms to 0");
        }
        if (followWallClock && idleAfterMillis == 0) {
            in.problem("follow.wall.clock needs idle.after.ms above 0");
        }
        if (lingerMinMillis > lingerMaxMillis) {
            in.problem("batch.linger.min.ms is above batch.linger.max.ms");
        }
    }
}
