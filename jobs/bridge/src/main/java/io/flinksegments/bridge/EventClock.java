package io.flinksegments.bridge;

import org.apache.flink.api.common.eventtime.TimestampAssigner;
import org.apache.flink.api.common.eventtime.TimestampAssignerSupplier;
import org.apache.flink.api.common.eventtime.Watermark;
import org.apache.flink.api.common.eventtime.WatermarkGenerator;
import org.apache.flink.api.common.eventtime.WatermarkGeneratorSupplier;
import org.apache.flink.api.common.eventtime.WatermarkOutput;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.util.clock.RelativeClock;

/**
 * The watermark of one Kafka partition: its newest event time less the out-of-orderness that is allowed for.
 *
 * <p>A partition without events for {@code idleAfterMillis} is idle and no longer holds the others back. Time under
 * back-pressure does not count. When all are idle, {@link FrameBatcher} lets event time follow the wall clock.
 * Records with a fault count for nothing here.
 */
public final class EventClock implements WatermarkStrategy<EventRecord> {
    private final long outOfOrdernessMillis;
    private final long idleAfterMillis;

    /**
     * A clock for every partition of a source.
     *
     * @param outOfOrdernessMillis how much older than its partition's newest event an event may be
     * @param idleAfterMillis 0: a partition is never idle, and no clock is ever looked at
     */
    public EventClock(long outOfOrdernessMillis, long idleAfterMillis) {
        this.outOfOrdernessMillis = outOfOrdernessMillis;
        this.idleAfterMillis = idleAfterMillis;
    }

    @Override
    public TimestampAssigner<EventRecord> createTimestampAssigner(TimestampAssignerSupplier.Context context) {
        return (event, recordTimestamp) -> event.eventTime();
    }

    @Override
    public WatermarkGenerator<EventRecord> createWatermarkGenerator(WatermarkGeneratorSupplier.Context context) {
        return new Generator(context.getInputActivityClock());
    }

    private final class Generator implements WatermarkGenerator<EventRecord> {
        private final RelativeClock clock;
        private long newest = EventRecord.NO_TIME;
        private boolean active = true;
        private long activeAt;

        Generator(RelativeClock clock) {
            this.clock = clock;
        }

        @Override
        public void onEvent(EventRecord event, long eventTime, WatermarkOutput output) {
            if (eventTime != EventRecord.NO_TIME) {
                newest = Math.max(newest, eventTime);
                active = true;
            }
        }

        @Override
        public void onPeriodicEmit(WatermarkOutput output) {
            if (isIdle()) {
                output.markIdle();
            } else if (newest != EventRecord.NO_TIME) {
                output.emitWatermark(new Watermark(newest - outOfOrdernessMillis - 1));
            }
        }

        private boolean isIdle() {
            if (idleAfterMillis == 0) {
                return false;
            }
            long now = clock.relativeTimeMillis();
            if (active) {
                active = false;
                activeAt = now;
            }
            return now - activeAt >= idleAfterMillis;
        }
    }
}
