package io.flinksegments.bridge;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.apache.flink.runtime.checkpoint.OperatorSubtaskState;
import org.apache.flink.streaming.runtime.watermarkstatus.WatermarkStatus;
import org.junit.jupiter.api.Test;

class FrameBatcherTest {
    private static final String ALL =
            IntStream.range(0, Samples.SHARDS).mapToObj(shard -> " " + shard).collect(Collectors.joining());

    @Test
    void framesComeInOrder() throws Exception {
        try (BatcherHarness batcher = new BatcherHarness(1, 0)) {
            batcher.open();
            batcher.event(5, "a");
            batcher.event(1, "b");
            batcher.processWatermark(100);
            batcher.event(5, "c");
            batcher.prepareSnapshotPreBarrier(7);
            batcher.event(3, "d");
            batcher.processWatermark(Long.MAX_VALUE);
            batcher.endInput();
            batcher.prepareSnapshotPreBarrier(8);

            assertEquals(
                    List.of(
                            "start" + ALL,
                            "events a b c & tick 100",
                            "watermark 100",
                            "marker of 7 for" + ALL,
                            "watermark 100",
                            "events d",
                            "watermark " + Long.MAX_VALUE,
                            "marker of " + Long.MAX_VALUE + " for 3"),
                    batcher.take());
        }
    }

    @Test
    void whatGatheredInAPauseComesOutPartByPart() throws Exception {
        try (BatcherHarness batcher = new BatcherHarness(1, 0, "batch.max.events", "4000", "batch.max.bytes", "100000")) {
            batcher.open();
            for (int event = 0; event < 1_600; event++) {
                batcher.event(1, "e");
            }
            batcher.processWatermark(100);
            batcher.prepareSnapshotPreBarrier(7);
            assertEquals(
                    List.of(512L, 1_024L, 64L),
                    batcher.take().stream()
                            .filter(frame -> frame.startsWith("events"))
                            .map(frame -> Stream.of(frame.split(" ")).filter("e"::equals).count())
                            .toList());
        }
    }

    @Test
    void theStartFrameNeedsNoInput() throws Exception {
        try (BatcherHarness batcher = new BatcherHarness(1, 0)) {
            batcher.open();
            batcher.setProcessingTime(0);
            assertEquals(List.of("start" + ALL), batcher.take());
            batcher.setProcessingTime(10_000);
            assertTrue(batcher.take().isEmpty());
        }
    }

    @Test
    void everyShardIsStartedByOneSubtask() throws Exception {
        List<String> started = new ArrayList<>();
        for (int subtask = 0; subtask < 3; subtask++) {
            try (BatcherHarness batcher = new BatcherHarness(3, subtask)) {
                batcher.open();
                batcher.setProcessingTime(0);
                batcher.take().forEach(frame -> started.addAll(List.of(frame.split(" "))));
            }
        }
        started.removeIf("start"::equals);
        started.sort(Comparator.comparing(Integer::valueOf));
        assertEquals(List.of(ALL.strip().split(" ")), started);
    }

    @Test
    void subtaskWithoutShardsOnlyPassesWatermarksOn() throws Exception {
        int idle = Shards.owned(1, 128, 2, 0).length == 0 ? 0 : 1;
        try (BatcherHarness batcher = new BatcherHarness(2, idle, "shards", "1")) {
            batcher.open();
            batcher.processWatermark(100);
            batcher.prepareSnapshotPreBarrier(7);
            assertEquals(List.of("watermark 100", "watermark 100"), batcher.take());
        }
    }

    @Test
    void onlyTouchedShardsAreMarked() throws Exception {
        try (BatcherHarness batcher = BatcherHarness.started()) {
            batcher.event(6, "a");
            batcher.event(2, "b");
            batcher.event(6, "c");
            batcher.prepareSnapshotPreBarrier(1);
            batcher.prepareSnapshotPreBarrier(2);
            batcher.event(4, "d");
            batcher.prepareSnapshotPreBarrier(3);
            assertEquals(
                    List.of("events a b c", "marker of 1 for 2 6", "events d", "marker of 3 for 4"),
                    batcher.take());
        }
    }

    @Test
    void fullBatchLeavesAtOnceAndWaitsForNothing() throws Exception {
        try (BatcherHarness batcher = BatcherHarness.started()) {
            for (String payload : List.of("a", "b", "c", "d", "e")) {
                batcher.event(0, payload);
            }
            batcher.event(0, "x".repeat(1000));
            assertEquals(List.of("events a b c d", "events e " + "x".repeat(1000)), batcher.take());
            assertEquals(0, batcher.timers());
        }
    }

    @Test
    void smallBatchLeavesAfterTheLinger() throws Exception {
        try (BatcherHarness batcher = BatcherHarness.started()) {
            batcher.event(0, "a");
            batcher.setProcessingTime(1);
            batcher.event(0, "b");
            assertTrue(batcher.take().isEmpty());
            batcher.setProcessingTime(2);
            assertEquals(List.of("events a b"), batcher.take());
            assertEquals(0, batcher.timers());
        }
    }

    @Test
    void watermarksWaitTogetherForOneTick() throws Exception {
        try (BatcherHarness batcher = BatcherHarness.started()) {
            batcher.event(0, "a");
            batcher.processWatermark(100);
            batcher.processWatermark(200);
            batcher.event(0, "b");
            batcher.processWatermark(150);
            batcher.setProcessingTime(2);
            assertEquals(List.of("events a b & tick 200", "watermark 200"), batcher.take());
            batcher.processWatermark(200);
            batcher.setProcessingTime(10);
            assertTrue(batcher.take().isEmpty());
        }
    }

    @Test
    void idleInputFollowsTheWallClock() throws Exception {
        try (BatcherHarness batcher = BatcherHarness.started()) {
            batcher.processWatermark(5_000);
            batcher.processWatermarkStatus(WatermarkStatus.IDLE);
            batcher.setProcessingTime(2);
            assertEquals(List.of("tick 5000", "watermark 5000"), batcher.take());
            batcher.setProcessingTime(200);
            batcher.setProcessingTime(202);
            assertEquals(List.of("tick 5200", "watermark 5200"), batcher.take());
            batcher.processWatermarkStatus(WatermarkStatus.ACTIVE);
            batcher.setProcessingTime(1_000);
            batcher.processWatermark(5_100);
            batcher.setProcessingTime(2_000);
            assertTrue(batcher.take().isEmpty());
            assertEquals(0, batcher.timers());
        }
    }

    @Test
    void eventTimeGoesOnAfterARestartInAQuietNight() throws Exception {
        OperatorSubtaskState state;
        try (BatcherHarness batcher = BatcherHarness.started()) {
            batcher.processWatermark(5_000);
            batcher.setProcessingTime(1_000);
            batcher.prepareSnapshotPreBarrier(1);
            state = batcher.snapshot(1, 1);
        }
        try (BatcherHarness batcher = BatcherHarness.restored(state, 61_000)) {
            batcher.processWatermarkStatus(WatermarkStatus.IDLE);
            batcher.setProcessingTime(61_200);
            batcher.setProcessingTime(61_202);
            assertEquals(List.of("tick 65200", "watermark 65200"), batcher.take());
        }
    }

    @Test
    void withoutFollowingTheStatusIsPassedOnAfterTheEvents() throws Exception {
        try (BatcherHarness batcher = BatcherHarness.started("follow.wall.clock", "false")) {
            batcher.event(0, "a");
            batcher.processWatermark(100);
            batcher.processWatermarkStatus(WatermarkStatus.IDLE);
            batcher.processWatermarkStatus(WatermarkStatus.ACTIVE);
            assertEquals(List.of("events a & tick 100", "watermark 100", "idle", "active"), batcher.take());
        }
    }

    @Test
    void whateverComesNothingIsLostDoubledOrOvertaken() throws Exception {
        for (int seed = 0; seed < 200; seed++) {
            Random random = new Random(seed);
            List<String> sent = new ArrayList<>();
            Map<Long, Integer> sentBefore = new HashMap<>();
            List<String> received;
            try (BatcherHarness batcher = BatcherHarness.started()) {
                for (int step = 1; step <= 100; step++) {
                    switch (random.nextInt(8)) {
                        case 0 -> batcher.setProcessingTime(step);
                        case 1 -> {
                            batcher.processWatermark(step);
                            sentBefore.put((long) step, sent.size());
                        }
                        case 2 -> batcher.prepareSnapshotPreBarrier(step);
                        default -> {
                            batcher.event(random.nextInt(Samples.SHARDS), "e" + step);
                            sent.add("e" + step);
                        }
                    }
                }
                batcher.endInput();
                received = batcher.take();
            }
            assertEquals(sent, checkedEvents(received, sentBefore), "seed " + seed);
        }
    }

    /** The events in order; fails if a tick or watermark came before an event that was sent before it. */
    private static List<String> checkedEvents(List<String> received, Map<Long, Integer> sentBefore) {
        List<String> events = new ArrayList<>();
        long ticked = Long.MIN_VALUE;
        for (String element : received.stream().flatMap(text -> Stream.of(text.split(" & "))).toList()) {
            String[] words = element.split(" ");
            switch (words[0]) {
                case "events" -> events.addAll(List.of(words).subList(1, words.length));
                case "tick" -> {
                    ticked = Long.parseLong(words[1]);
                    assertTrue(events.size() >= sentBefore.get(ticked), element);
                }
                case "watermark" -> assertEquals(ticked, Long.parseLong(words[1]), "after its tick");
                default -> assertEquals("marker", words[0]);
            }
        }
        return events;
    }
}
