package io.flinksegments.bridge;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class WallClockFollowerTest {
    private final WallClockFollower clock = new WallClockFollower();

    @Test
    void goesOnAtTheWallClocksPaceWhileIdle() {
        clock.advanceTo(500, 1_000);
        assertFalse(clock.follow(2_000));
        clock.startFollowing(11_000);
        assertFalse(clock.follow(11_000));
        assertTrue(clock.follow(11_200));
        assertTrue(clock.follow(12_000));
        assertEquals(1_500, clock.watermark());
        clock.stopFollowing();
        assertFalse(clock.follow(13_000));
    }

    @Test
    void neverGoesBack() {
        clock.advanceTo(500, 1_000);
        clock.startFollowing(1_000);
        clock.follow(1_100);
        clock.stopFollowing();
        assertFalse(clock.advanceTo(600, 1_200));
        assertTrue(clock.advanceTo(601, 1_200));
    }

    @Test
    void withoutAWatermarkThereIsNothingToFollow() {
        clock.startFollowing(1_000);
        assertFalse(clock.follow(2_000));
    }

    @Test
    void goesOnAfterARestartAsIfItHadNotStopped() {
        clock.advanceTo(500, 1_000);
        WallClockFollower next = new WallClockFollower();
        next.restore(clock.snapshot(2_000));
        next.startFollowing(62_000);
        assertTrue(next.follow(62_000));
        assertEquals(60_500, next.watermark());
    }

    @Test
    void takesTheSnapshotThatIsFurthestOn() {
        clock.restore(new long[] {500, 1_000});
        clock.restore(new long[] {400, 2_000});
        clock.restore(new long[] {WallClockFollower.UNKNOWN, 3_000});
        assertArrayEquals(new long[] {500, 1_000}, clock.snapshot(9_000));
    }
}
