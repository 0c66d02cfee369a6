package io.flinksegments.bridge;

import static io.flinksegments.bridge.Samples.NOON;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.apache.flink.api.common.eventtime.Watermark;
import org.apache.flink.api.common.eventtime.WatermarkGenerator;
import org.apache.flink.api.common.eventtime.WatermarkGeneratorSupplier;
import org.apache.flink.api.common.eventtime.WatermarkOutput;
import org.apache.flink.metrics.MetricGroup;
import org.apache.flink.metrics.groups.UnregisteredMetricsGroup;
import org.apache.flink.util.clock.ManualClock;
import org.apache.flink.util.clock.RelativeClock;
import org.junit.jupiter.api.Test;

class EventClockTest {
    private final ManualClock activityClock = new ManualClock();
    private final Output output = new Output();

    @Test
    void staysBehindTheNewestEvent() {
        WatermarkGenerator<EventRecord> generator = generator(10_000);
        event(generator, NOON);
        event(generator, NOON - 3000);
        generator.onPeriodicEmit(output);
        assertEquals(List.of(NOON - 5001), output.said);
    }

    @Test
    void faultyRecordsCountForNothing() {
        WatermarkGenerator<EventRecord> generator = generator(10_000);
        event(generator, EventRecord.NO_TIME);
        generator.onPeriodicEmit(output);
        advance(10_000);
        event(generator, EventRecord.NO_TIME);
        generator.onPeriodicEmit(output);
        assertEquals(List.of("idle"), output.said);
    }

    @Test
    void quietPartitionGoesIdleAndComesBack() {
        WatermarkGenerator<EventRecord> generator = generator(10_000);
        event(generator, NOON);
        generator.onPeriodicEmit(output);
        advance(9_999);
        generator.onPeriodicEmit(output);
        advance(1);
        generator.onPeriodicEmit(output);
        event(generator, NOON + 1);
        generator.onPeriodicEmit(output);
        assertEquals(List.of(NOON - 5001, NOON - 5001, "idle", NOON - 5000), output.said);
    }

    @Test
    void backPressureIsNotIdleness() {
        WatermarkGenerator<EventRecord> generator = generator(10_000);
        event(generator, NOON);
        for (int i = 0; i < 3; i++) {
            generator.onPeriodicEmit(output); // Flink stops the activity clock under back-pressure.
        }
        assertEquals(List.of(NOON - 5001, NOON - 5001, NOON - 5001), output.said);
    }

    @Test
    void withoutIdlenessNoClockIsLookedAt() {
        WatermarkGenerator<EventRecord> generator =
                new EventClock(5000, 0).createWatermarkGenerator(context(null));
        generator.onPeriodicEmit(output);
        event(generator, NOON);
        generator.onPeriodicEmit(output);
        assertEquals(List.of(NOON - 5001), output.said);
    }

    @Test
    void assignsTheEventsOwnTime() {
        assertEquals(7, new EventClock(0, 0).createTimestampAssigner(null).extractTimestamp(Samples.eventAt(7), 9));
    }

    private WatermarkGenerator<EventRecord> generator(long idleAfterMillis) {
        return new EventClock(5000, idleAfterMillis).createWatermarkGenerator(context(activityClock));
    }

    private void event(WatermarkGenerator<EventRecord> generator, long time) {
        generator.onEvent(Samples.eventAt(time), time, output);
    }

    private void advance(long millis) {
        activityClock.advanceTime(Duration.ofMillis(millis));
    }

    private static WatermarkGeneratorSupplier.Context context(RelativeClock clock) {
        return new WatermarkGeneratorSupplier.Context() {
            @Override
            public MetricGroup getMetricGroup() {
                return new UnregisteredMetricsGroup();
            }

            @Override
            public RelativeClock getInputActivityClock() {
                return clock;
            }
        };
    }

    private static final class Output implements WatermarkOutput {
        private final List<Object> said = new ArrayList<>();

        @Override
        public void emitWatermark(Watermark watermark) {
            said.add(watermark.getTimestamp());
        }

        @Override
        public void markIdle() {
            said.add("idle");
        }

        @Override
        public void markActive() {
            said.add("active");
        }
    }
}
