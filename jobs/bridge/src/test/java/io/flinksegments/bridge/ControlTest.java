package io.flinksegments.bridge;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.flink.api.common.eventtime.Watermark;
import org.apache.flink.api.common.eventtime.WatermarkGenerator;
import org.apache.flink.api.common.eventtime.WatermarkOutput;
import org.apache.flink.api.common.functions.util.ListCollector;
import org.apache.flink.runtime.checkpoint.OperatorSubtaskState;
import org.apache.flink.streaming.runtime.watermarkstatus.WatermarkStatus;
import org.junit.jupiter.api.Test;

/** What the job is told: from the control topic to a frame, between the events. */
class ControlTest {
    private static final String ALL =
            IntStream.range(0, Samples.SHARDS).mapToObj(shard -> " " + shard).collect(Collectors.joining());
    private static final String TOLD = " of 7 at " + Samples.NOON;

    @Test
    void recordsAreControlWhateverTheyHold() {
        List<EventRecord> records = new ArrayList<>();
        ControlDeserializer deserializer = new ControlDeserializer();
        deserializer.deserialize(Samples.record("told", 5, Samples.utf8("{")), new ListCollector<>(records));
        deserializer.deserialize(Samples.record("told", 5, null), new ListCollector<>(records));
        assertArrayEquals(Samples.utf8("{"), records.get(0).payload());
        assertEquals(0, records.get(1).payload().length);
        for (EventRecord record : records) {
            assertTrue(record.isControl());
            assertEquals(EventRecord.NO_TIME, record.eventTime());
            assertEquals(41, record.offset());
        }
    }

    @Test
    void theControlSourceIsIdleFromTheStart() {
        List<String> said = new ArrayList<>();
        WatermarkOutput output = new WatermarkOutput() {
            @Override
            public void emitWatermark(Watermark watermark) {
                said.add("watermark");
            }

            @Override
            public void markIdle() {
                said.add("idle");
            }

            @Override
            public void markActive() {
                said.add("active");
            }
        };
        WatermarkGenerator<EventRecord> generator = new TimelessClock().createWatermarkGenerator(null);
        generator.onPeriodicEmit(output);
        generator.onEvent(Samples.control("a"), EventRecord.NO_TIME, output);
        assertEquals(List.of("idle", "idle"), said);
    }

    @Test
    void aControlRecordComesAfterTheEventsBeforeIt() throws Exception {
        try (BatcherHarness batcher = BatcherHarness.started()) {
            batcher.event(0, "a");
            batcher.processWatermark(100);
            batcher.control("new rules");
            batcher.event(1, "b");
            batcher.prepareSnapshotPreBarrier(1);
            assertEquals(
                    List.of(
                            "events a & tick 100",
                            "watermark 100",
                            "control new rules" + TOLD,
                            "events b",
                            "marker of 1 for" + ALL,
                            "watermark 100"),
                    batcher.take());
        }
    }

    @Test
    void allShardsAreMarkedAfterAControlRecord() throws Exception {
        try (BatcherHarness batcher = BatcherHarness.started()) {
            batcher.control("a");
            batcher.prepareSnapshotPreBarrier(1);
            assertEquals(List.of("control a" + TOLD, "marker of 1 for" + ALL), batcher.take());
        }
    }

    @Test
    void pythonIsCalledWhileNothingComesOnceItWasToldSomething() throws Exception {
        try (BatcherHarness batcher = BatcherHarness.started()) {
            batcher.control("a");
            batcher.take();
            batcher.setProcessingTime(250);
            assertEquals(List.of("tick idle"), batcher.take());
            batcher.prepareSnapshotPreBarrier(1);
            assertEquals(List.of("marker of 1 for" + ALL), batcher.take());
            batcher.setProcessingTime(350);
            batcher.event(0, "b");
            batcher.setProcessingTime(352);
            batcher.setProcessingTime(500);
            assertEquals(List.of("events b"), batcher.take(), "the events' frame does the work");
            batcher.setProcessingTime(750);
            assertEquals(List.of("tick idle"), batcher.take());
        }
    }

    @Test
    void ticksOfTheWallClockAreEnough() throws Exception {
        try (BatcherHarness batcher = BatcherHarness.started()) {
            batcher.processWatermark(5_000);
            batcher.control("a");
            batcher.processWatermarkStatus(WatermarkStatus.IDLE);
            for (int now = 1; now <= 2_000; now++) {
                batcher.setProcessingTime(now);
            }
            List<String> ticks = batcher.take().stream().filter(each -> each.startsWith("tick")).toList();
            assertTrue(ticks.size() <= 12, () -> "not twice as many calls: " + ticks);
        }
    }

    @Test
    void aRestoredJobGoesOnWithWhatWasLeft() throws Exception {
        OperatorSubtaskState state;
        try (BatcherHarness batcher = BatcherHarness.started()) {
            batcher.prepareSnapshotPreBarrier(1);
            state = batcher.snapshot(1, 1);
        }
        try (BatcherHarness batcher = BatcherHarness.restored(state, 1_000)) {
            batcher.setProcessingTime(1_250);
            assertEquals(List.of("tick idle"), batcher.take());
        }
    }

    @Test
    void aSubtaskWithoutShardsIsToldNothing() throws Exception {
        int idle = Shards.owned(1, 128, 2, 0).length == 0 ? 0 : 1;
        try (BatcherHarness batcher = new BatcherHarness(2, idle, "shards", "1")) {
            batcher.open();
            batcher.control("a");
            batcher.setProcessingTime(1_000);
            assertTrue(batcher.take().isEmpty());
        }
    }

    @Test
    void theEndOfTheInputEndsTheCalls() throws Exception {
        try (BatcherHarness batcher = BatcherHarness.started()) {
            batcher.control("a");
            batcher.endInput();
            assertEquals(0, batcher.timers());
        }
    }
}
