package io.flinksegments.bridge;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import org.apache.flink.runtime.event.WatermarkEvent;
import org.apache.flink.streaming.api.operators.Output;
import org.apache.flink.streaming.api.watermark.Watermark;
import org.apache.flink.streaming.runtime.streamrecord.LatencyMarker;
import org.apache.flink.streaming.runtime.streamrecord.RecordAttributes;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.streaming.runtime.watermarkstatus.WatermarkStatus;
import org.apache.flink.types.Row;
import org.apache.flink.util.OutputTag;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** The batcher in front of a Python that takes its time over every EVENTS frame. */
class BusyPythonTest {
    private final List<String> handled = new ArrayList<>();
    private BatcherHarness batcher;
    private long now;
    private int millisPerFrame;
    private double millisPerEvent;

    @BeforeEach
    void open() throws Exception {
        batcher = new BatcherHarness(1, 0, "batch.max.events", "1000000");
        batcher.setOutputCreator(ignored -> new SlowPython());
        batcher.open();
        at(0);
        handled.clear();
    }

    @AfterEach
    void close() throws Exception {
        batcher.close();
    }

    @Test
    void waitGrowsWithTheWorkAndShrinksInRest() throws Exception {
        millisPerFrame = 100;
        assertEquals(2, lingerOfAnEvent());
        assertEquals(25, lingerOfAnEvent());
        at(now + 900);
        millisPerFrame = 1;
        assertEquals(2, lingerOfAnEvent());
        assertEquals(2, lingerOfAnEvent());
    }

    @Test
    void batchesGrowWithTheLoad() throws Exception {
        millisPerFrame = 1;
        int light = framesOfAnEventEachMilli(2_000);
        millisPerEvent = 0.8;
        int heavy = framesOfAnEventEachMilli(2_000);
        assertTrue(light > 500, () -> "light work leaves every 3 ms or so: " + light);
        assertTrue(heavy < light / 3, () -> "heavy work leaves in larger frames: " + heavy);
    }

    private int framesOfAnEventEachMilli(int events) throws Exception {
        int before = handled.size();
        long first = now;
        for (int sent = 0; sent < events; at(now + 1)) {
            for (; sent < Math.min(events, now - first); sent++) {
                batcher.event(0, "e");
            }
        }
        return handled.size() - before;
    }

    private long lingerOfAnEvent() throws Exception {
        long sentAt = now;
        int before = handled.size();
        batcher.event(0, "e");
        while (handled.size() == before && now < sentAt + 1_000) {
            at(now + 1);
        }
        return now - millisPerFrame - sentAt;
    }

    private void at(long millis) throws Exception {
        now = millis;
        batcher.setProcessingTime(now);
    }

    private final class SlowPython implements Output<StreamRecord<Row>> {
        @Override
        public void collect(StreamRecord<Row> frame) {
            String text = BatcherHarness.describe(frame);
            handled.add(text);
            if (text.startsWith("events")) {
                int events = text.split(" ").length - 1;
                now += millisPerFrame + (long) (millisPerEvent * events);
                try {
                    batcher.setProcessingTime(now);
                } catch (Exception error) {
                    throw new AssertionError(error);
                }
            }
        }

        @Override
        public <X> void collect(OutputTag<X> tag, StreamRecord<X> element) {}

        @Override
        public void emitWatermark(Watermark watermark) {}

        @Override
        public void emitWatermarkStatus(WatermarkStatus status) {}

        @Override
        public void emitLatencyMarker(LatencyMarker marker) {}

        @Override
        public void emitRecordAttributes(RecordAttributes attributes) {}

        @Override
        public void emitWatermark(WatermarkEvent watermark) {}

        @Override
        public void close() {}
    }
}
