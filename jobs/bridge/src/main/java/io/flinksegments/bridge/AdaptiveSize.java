package io.flinksegments.bridge;

/**
 * How many events a batch holds: at most twice as many as the one before it.
 *
 * <p>After a pause, such as a checkpoint, the events that waited longest thus come out first, and do not wait for all the
 * others that have gathered meanwhile; under a load that does not cease a batch soon holds as many as it may.
 */
final class AdaptiveSize {
    private static final int FIRST = 512; // the fixed cost of a batch is then about a twentieth of it

    private final int maxEvents;
    private int events;

    AdaptiveSize(int maxEvents) {
        this.maxEvents = maxEvents;
        handled(0);
    }

    /** Notes how many events the last batch held. */
    void handled(int count) {
        events = Math.min(maxEvents, Math.max(FIRST, 2 * count));
    }

    /** How many events the next batch holds at most. */
    int events() {
        return events;
    }
}
