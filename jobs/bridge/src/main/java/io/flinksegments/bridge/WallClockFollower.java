package io.flinksegments.bridge;

/**
 * The event time of one subtask: its watermarks, and while its input is idle the wall clock's pace from there.
 *
 * <p>It survives a restart as two numbers, so a job that starts in a quiet night goes on from where event time would be
 * by then. Instants are ms; time is handed in, never read.
 */
final class WallClockFollower {
    /** Before the first watermark. */
    static final long UNKNOWN = Long.MIN_VALUE;

    private long watermark = UNKNOWN;
    private long reachedAt;
    private boolean following;
    private boolean restored;

    /** Takes over a snapshot of an earlier run if it is further on than this one. */
    void restore(long[] snapshot) {
        if (snapshot[0] > watermark) {
            watermark = snapshot[0];
            reachedAt = snapshot[1];
            restored = true;
        }
    }

    /** Event time as of now, for {@link #restore}. */
    long[] snapshot(long now) {
        return new long[] {watermark, following || restored ? reachedAt : now};
    }

    /** The newest watermark, {@link #UNKNOWN} before the first. */
    long watermark() {
        return watermark;
    }

    boolean isFollowing() {
        return following;
    }

    /** Moves to a watermark of the input; false if event time is already there. */
    boolean advanceTo(long newWatermark, long now) {
        if (newWatermark <= watermark) {
            return false;
        }
        watermark = newWatermark;
        reachedAt = now;
        restored = false;
        return true;
    }

    /** The input has gone idle: event time goes on from now, or after a restart from when it stood still. */
    void startFollowing(long now) {
        if (!following && !restored) {
            reachedAt = now;
        }
        following = true;
    }

    /** The input is active again. */
    void stopFollowing() {
        following = false;
    }

    /** Moves event time on while following; false if it is not known or the wall clock has not moved. */
    boolean follow(long now) {
        return following && watermark != UNKNOWN && now > reachedAt && advanceBy(now);
    }

    private boolean advanceBy(long now) {
        watermark += now - reachedAt;
        reachedAt = now;
        restored = false;
        return true;
    }
}
