package io.flinksegments.bridge;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class AdaptiveLingerTest {
    private final AdaptiveLinger linger = new AdaptiveLinger(2, 50);

    @Test
    void firstBatchLeavesAtOnce() {
        assertEquals(2, linger.millis(1_000));
    }

    @ParameterizedTest
    @CsvSource({
        "4,    1004, 2", // a quarter of 4 ms is below the shortest wait
        "100,  1100, 25", // Python was busy until now
        "100,  1200, 12", // it was busy half of the time since
        "100,  2000, 2", // it was busy a tenth of the time since
        "1000, 2000, 50", // the longest wait
        "-5,   1000, 2", // the wall clock was set back
    })
    void waitsTheLongerTheBusierPythonIs(long took, long now, long expected) {
        linger.handled(1_000, 1_000 + took);
        assertEquals(expected, linger.millis(now));
    }
}
