package io.flinksegments.bridge;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;

class AdaptiveSizeTest {
    private final AdaptiveSize size = new AdaptiveSize(4_000);

    @Test
    void theFirstBatchIsSmall() {
        assertEquals(512, size.events());
    }

    @Test
    void underLastingLoadBatchesGrowToTheLargest() {
        for (int expected : new int[] {1_024, 2_048, 4_000, 4_000}) {
            size.handled(size.events());
            assertEquals(expected, size.events());
        }
    }

    @Test
    void afterSmallBatchesTheNextIsSmall() {
        size.handled(4_000);
        size.handled(700);
        assertEquals(1_400, size.events());
        size.handled(3);
        assertEquals(512, size.events());
    }

    @Test
    void noBatchIsLargerThanAllowed() {
        assertEquals(100, new AdaptiveSize(100).events());
    }
}
