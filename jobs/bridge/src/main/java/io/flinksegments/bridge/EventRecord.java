package io.flinksegments.bridge;

/**
 * One Kafka record on its way to the batcher; immutable, and its payload must not be changed.
 *
 * @param shard the shard of the event's user; some shard if the user is not known
 * @param payload the record's value as it came; empty if it was null
 * @param topic index into the configured topics; {@link #CONTROL} for a record of the control topic
 * @param partition Kafka partition
 * @param offset Kafka offset
 * @param recordTimestamp the Kafka record's timestamp in ms; -1 if it has none
 * @param eventTime the event's own time in ms since 1970 UTC; {@link #NO_TIME} if the record has a fault
 * @param fault one of {@link Fault}
 */
public record EventRecord(
        int shard,
        byte[] payload,
        int topic,
        int partition,
        long offset,
        long recordTimestamp,
        long eventTime,
        byte fault) {

    /** The event time of a faulty record: it never moves the watermark. */
    public static final long NO_TIME = Long.MIN_VALUE;

    /** In place of the topic's index: the record tells the job something and is no event. */
    public static final int CONTROL = 255;

    boolean isControl() {
        return topic == CONTROL;
    }
}
