package io.flinksegments.bridge;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.StringJoiner;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.flink.api.common.typeutils.TypeSerializer;
import org.apache.flink.runtime.checkpoint.OperatorSubtaskState;
import org.apache.flink.streaming.api.watermark.Watermark;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.streaming.runtime.watermarkstatus.WatermarkStatus;
import org.apache.flink.streaming.util.OneInputStreamOperatorTestHarness;
import org.apache.flink.types.Row;

/** Runs a {@link FrameBatcher} with a clock of its own and tells what came out as short texts. */
final class BatcherHarness extends OneInputStreamOperatorTestHarness<EventRecord, Row> {
    private static final int MAX_PARALLELISM = 128;

    BatcherHarness(int parallelism, int subtask, String... optionChanges) throws Exception {
        super(
                new FrameBatcher(SourceOptions.of(Samples.sourceOptions(optionChanges))),
                MAX_PARALLELISM,
                parallelism,
                subtask);
    }

    /** Called by Flink's harness with null when it opens the operator. */
    @Override
    public void setup(TypeSerializer<Row> ignored) {
        super.setup(Bridge.FRAME_TYPE.createSerializer(getExecutionConfig().getSerializerConfig()));
    }

    /** One subtask that owns all shards, started, with its START frame taken. */
    static BatcherHarness started(String... optionChanges) throws Exception {
        BatcherHarness harness = new BatcherHarness(1, 0, optionChanges);
        harness.open();
        harness.setProcessingTime(0);
        harness.take();
        return harness;
    }

    static BatcherHarness restored(OperatorSubtaskState state, long now) throws Exception {
        BatcherHarness harness = new BatcherHarness(1, 0);
        harness.setProcessingTime(now);
        harness.initializeState(state);
        harness.open();
        harness.setProcessingTime(now);
        harness.take();
        return harness;
    }

    void event(int shard, String payload) throws Exception {
        processElement(new StreamRecord<>(Samples.event(shard, payload), Samples.NOON));
    }

    void control(String payload) throws Exception {
        processElement(new StreamRecord<>(Samples.control(payload)));
    }

    int timers() {
        return getProcessingTimeService().getNumActiveTimers();
    }

    /** What came out since the last call. */
    List<String> take() {
        List<String> taken = new ArrayList<>();
        for (Object element = getOutput().poll(); element != null; element = getOutput().poll()) {
            taken.add(describe(element));
        }
        return taken;
    }

    static String describe(Object element) {
        if (element instanceof Watermark watermark) {
            return "watermark " + watermark.getTimestamp();
        }
        if (element instanceof WatermarkStatus status) {
            return status.isIdle() ? "idle" : "active";
        }
        byte[] frame = ((Row) ((StreamRecord<?>) element).getValue()).getFieldAs(1);
        ByteBuffer in = ByteBuffer.wrap(frame).order(ByteOrder.LITTLE_ENDIAN);
        int count = in.getInt(4);
        return switch (frame[0]) {
            case Frames.EVENTS -> "events" + payloads(in, count) + tick(in.getLong(8));
            case Frames.TICK -> "tick " + (in.getLong(8) == Frames.NO_WATERMARK ? "idle" : in.getLong(8));
            case Frames.CONTROL -> "control " + new String(frame, 24, count, StandardCharsets.UTF_8)
                    + " of " + in.getLong(8) + " at " + in.getLong(16);
            case Frames.MARKER -> "marker of " + in.getLong(8) + " for" + shards(in, 16, count);
            case Frames.START -> "start" + shards(in, 8, count);
            default -> "unknown";
        };
    }

    private static String tick(long watermark) {
        return watermark == Frames.NO_WATERMARK ? "" : " & tick " + watermark;
    }

    private static String shards(ByteBuffer in, int at, int count) {
        return IntStream.range(0, count)
                .mapToObj(i -> " " + Short.toUnsignedInt(in.getShort(at + 2 * i)))
                .collect(Collectors.joining());
    }

    private static String payloads(ByteBuffer in, int count) {
        StringJoiner payloads = new StringJoiner(" ", " ", "");
        int at = 16 + 28 * count;
        for (int i = 0; i < count; i++) {
            int length = in.getInt(16 + 16 * count + 4 * i);
            payloads.add(new String(in.array(), at, length, StandardCharsets.UTF_8));
            at += length;
        }
        return payloads.toString();
    }
}
