package io.flinksegments.bridge;

import java.time.Instant;
import java.util.BitSet;
import java.util.List;
import java.util.concurrent.ScheduledFuture;
import org.apache.flink.api.common.TaskInfo;
import org.apache.flink.api.common.state.ListState;
import org.apache.flink.api.common.state.ListStateDescriptor;
import org.apache.flink.api.common.typeutils.base.array.LongPrimitiveArraySerializer;
import org.apache.flink.runtime.state.StateInitializationContext;
import org.apache.flink.runtime.state.StateSnapshotContext;
import org.apache.flink.streaming.api.graph.StreamConfig;
import org.apache.flink.streaming.api.operators.AbstractStreamOperator;
import org.apache.flink.streaming.api.operators.BoundedOneInput;
import org.apache.flink.streaming.api.operators.OneInputStreamOperator;
import org.apache.flink.streaming.api.operators.Output;
import org.apache.flink.streaming.api.watermark.Watermark;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.streaming.runtime.tasks.StreamTask;
import org.apache.flink.streaming.runtime.watermarkstatus.WatermarkStatus;
import org.apache.flink.types.Row;

/**
 * Turns events and control records into frames for the Python operator that is chained behind it.
 *
 * <p>Order: START once, then EVENTS with the watermark that came after them (a TICK if there are no events) and then that
 * watermark itself, a MARKER before each barrier. A watermark waits with the events for the next flush, so a busy Python
 * is not called for each. Collecting a frame returns when Python has handled it; {@link AdaptiveLinger} lives on that.
 * A control record comes after the events before it. Once the job was told something Python may have work left over, so
 * it is called every 250 ms even when nothing comes.
 */
public final class FrameBatcher extends AbstractStreamOperator<Row>
        implements OneInputStreamOperator<EventRecord, Row>, BoundedOneInput {
    private static final long FOLLOW_MILLIS = 200;
    private static final long IDLE_MILLIS = 250; // later than a tick that follows the wall clock, which does as well

    private final SourceOptions options;
    private transient EventBuffer buffer;
    private transient AdaptiveLinger linger;
    private transient AdaptiveSize size;
    private transient WallClockFollower clock;
    private transient ListState<long[]> clockState;
    private transient int[] owned;
    private transient BitSet touched;
    private transient boolean started;
    private transient boolean ended;
    private transient long waitingWatermark;
    private transient ScheduledFuture<?> flushTimer;
    private transient ScheduledFuture<?> followTimer;
    private transient ScheduledFuture<?> idleTimer;
    private transient long framesSent;
    private transient boolean mayHaveWork;
    private transient Instant created;
    private transient WorkerWatch watch;

    /** Batches within the limits of the options. */
    public FrameBatcher(SourceOptions options) {
        this.options = options;
    }

    /** Called for all operators of the task before the first is opened: before the Python worker is started. */
    @Override
    protected void setup(StreamTask<?, ?> task, StreamConfig config, Output<StreamRecord<Row>> rows) {
        super.setup(task, config, rows);
        created = Instant.now();
    }

    @Override
    public void initializeState(StateInitializationContext context) throws Exception {
        super.initializeState(context);
        clock = new WallClockFollower();
        clockState = context.getOperatorStateStore()
                .getUnionListState(new ListStateDescriptor<>("event-time", LongPrimitiveArraySerializer.INSTANCE));
        for (long[] snapshot : clockState.get()) {
            clock.restore(snapshot);
        }
        mayHaveWork = context.isRestored();
    }

    @Override
    public void snapshotState(StateSnapshotContext context) throws Exception {
        super.snapshotState(context);
        clockState.update(List.of(clock.snapshot(now())));
    }

    @Override
    public void open() throws Exception {
        super.open();
        TaskInfo task = getRuntimeContext().getTaskInfo();
        owned = Shards.owned(
                options.shards(),
                task.getMaxNumberOfParallelSubtasks(),
                task.getNumberOfParallelSubtasks(),
                task.getIndexOfThisSubtask());
        buffer = new EventBuffer(options.batchMaxEvents(), options.batchMaxBytes());
        linger = new AdaptiveLinger(options.lingerMinMillis(), options.lingerMaxMillis());
        size = new AdaptiveSize(options.batchMaxEvents());
        touched = new BitSet(options.shards());
        waitingWatermark = Frames.NO_WATERMARK;
        getProcessingTimeService().registerTimer(now(), at -> start());
        watch = WorkerWatch.started(created, getContainingTask().getEnvironment()::failExternally);
    }

    @Override
    public void close() throws Exception {
        stopWatching();
        super.close();
    }

    @Override
    public void processElement(StreamRecord<EventRecord> element) {
        start();
        if (element.getValue().isControl()) {
            control(element.getValue());
            return;
        }
        buffer.add(element.getValue());
        touched.set(element.getValue().shard());
        flushWhenDue();
    }

    @Override
    public void processWatermark(Watermark watermark) throws Exception {
        start();
        if (watermark.getTimestamp() == Long.MAX_VALUE) {
            flush();
            ended = true;
            super.processWatermark(watermark);
        } else if (clock.advanceTo(watermark.getTimestamp(), now())) {
            waitingWatermark = watermark.getTimestamp();
            flushWhenDue();
        }
    }

    @Override
    public void processWatermarkStatus(WatermarkStatus status) throws Exception {
        if (!options.followWallClock()) {
            flush();
            super.processWatermarkStatus(status);
        } else if (status.isActive()) {
            clock.stopFollowing();
            followTimer = cancel(followTimer);
        } else if (!clock.isFollowing()) {
            clock.startFollowing(now());
            scheduleFollow();
        }
    }

    @Override
    public void prepareSnapshotPreBarrier(long checkpointId) {
        if (ended) {
            return;
        }
        start();
        flush();
        mark(checkpointId);
        if (clock.watermark() != WallClockFollower.UNKNOWN) {
            output.emitWatermark(new Watermark(clock.watermark()));
        }
    }

    @Override
    public void endInput() {
        start();
        flush();
        mark(Long.MAX_VALUE);
        ended = true;
        stopWatching(); // workers end with their input
        followTimer = cancel(followTimer);
        idleTimer = cancel(idleTimer);
    }

    private void start() {
        if (started) {
            return;
        }
        started = true;
        if (owned.length > 0) {
            collect(Frames.start(owned));
        }
        if (mayHaveWork) {
            scheduleIdle();
        }
    }

    private void control(EventRecord record) {
        flush();
        if (owned.length > 0) {
            collect(Frames.control(record));
            touchAll();
        }
        if (idleTimer == null) {
            scheduleIdle();
        }
    }

    private void flushWhenDue() {
        if (buffer.isFull() || buffer.count() >= size.events()) {
            flush();
        } else if (flushTimer == null) {
            long now = now();
            flushTimer = getProcessingTimeService().registerTimer(now + linger.millis(now), at -> flush());
        }
    }

    private void flush() {
        flushTimer = cancel(flushTimer);
        if (buffer.isEmpty() && waitingWatermark == Frames.NO_WATERMARK) {
            return;
        }
        long before = now();
        long watermark = waitingWatermark;
        waitingWatermark = Frames.NO_WATERMARK;
        if (!buffer.isEmpty()) {
            size.handled(buffer.count());
            collect(buffer.drain(watermark));
        } else if (owned.length > 0) {
            collect(Frames.tick(watermark));
        }
        if (watermark != Frames.NO_WATERMARK) {
            touchAll();
            output.emitWatermark(new Watermark(watermark));
        }
        linger.handled(before, now());
    }

    private void touchAll() {
        for (int shard : owned) {
            touched.set(shard);
        }
    }

    private void mark(long checkpointId) {
        if (!touched.isEmpty()) {
            collect(Frames.marker(checkpointId, touched.stream().toArray()));
            touched.clear();
        }
    }

    private void scheduleFollow() {
        followTimer = getProcessingTimeService().registerTimer(now() + FOLLOW_MILLIS, at -> follow());
    }

    private void follow() {
        if (clock.follow(now())) {
            waitingWatermark = clock.watermark();
            flushWhenDue();
        }
        scheduleFollow();
    }

    private void scheduleIdle() {
        if (!options.bounded() && owned.length > 0) {
            long sentBefore = framesSent;
            idleTimer = getProcessingTimeService().registerTimer(now() + IDLE_MILLIS, at -> idle(sentBefore));
        }
    }

    private void idle(long sentBefore) {
        if (framesSent == sentBefore && buffer.isEmpty() && waitingWatermark == Frames.NO_WATERMARK) {
            collect(Frames.tick(Frames.NO_WATERMARK));
            touchAll();
        }
        scheduleIdle();
    }

    /** A frame has the key of the first shard; Python turns to the other shards' keys itself. */
    private void collect(byte[] frame) {
        framesSent++;
        output.collect(new StreamRecord<>(Row.of(owned[0], frame)));
    }

    private long now() {
        return getProcessingTimeService().getCurrentProcessingTime();
    }

    private void stopWatching() {
        if (watch != null) {
            watch.close();
        }
    }

    private static ScheduledFuture<?> cancel(ScheduledFuture<?> timer) {
        if (timer != null) {
            timer.cancel(false);
        }
        return null;
    }
}
