package io.flinksegments.bridge;

/**
 * How long a batch waits for more events: the shortest time when Python is idle, longer the busier it is.
 *
 * <p>Right after a batch that took {@code h} ms the next one waits {@code h / 4}: Python is then busy at most four
 * fifths of the time unless batches are full, and batches grow with the load. The wait shrinks with the time that
 * Python has been idle since.
 */
final class AdaptiveLinger {
    private static final double SHARE = 0.25;

    private final long minMillis;
    private final long maxMillis;
    private long startedAt;
    private long tookMillis;

    AdaptiveLinger(long minMillis, long maxMillis) {
        this.minMillis = minMillis;
        this.maxMillis = maxMillis;
    }

    /** Notes that Python handled a batch from one instant (ms) to another. */
    void handled(long startMillis, long endMillis) {
        startedAt = startMillis;
        tookMillis = Math.max(0, endMillis - startMillis);
    }

    /** How long (ms) a batch waits whose first event comes now. */
    long millis(long nowMillis) {
        double busy = (double) tookMillis / Math.max(1, Math.max(tookMillis, nowMillis - startedAt));
        return Math.min(maxMillis, Math.max(minMillis, (long) (SHARE * busy * tookMillis)));
    }
}
