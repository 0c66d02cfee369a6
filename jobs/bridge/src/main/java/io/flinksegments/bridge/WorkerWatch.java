package io.flinksegments.bridge;

import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.stream.Stream;

/**
 * Ends a task whose Python worker has died unnoticed.
 *
 * <p>Flink fails a task at once when its worker dies over a frame. Of one that dies between two frames it does not hear,
 * and the next frame waits for it, checkpoints with it, for as long as checkpoints may fail.
 */
final class WorkerWatch implements AutoCloseable {
    static final Duration PATIENCE = Duration.ofSeconds(5); // a task that Flink fails itself is closed long before
    private static final Duration EVERY = Duration.ofSeconds(1);

    private final List<ProcessHandle> workers;
    private final Consumer<Throwable> fail;
    private final ScheduledExecutorService thread;
    private Instant deadSince;

    private WorkerWatch(List<ProcessHandle> workers, Consumer<Throwable> fail, ScheduledExecutorService thread) {
        this.workers = workers;
        this.fail = fail;
        this.thread = thread;
    }

    /** Watches those of this process's children that were started since an instant, until it is closed. */
    static WorkerWatch started(Instant since, Consumer<Throwable> fail) {
        return over(childrenSince(ProcessHandle.current().children(), since), fail, EVERY);
    }

    static WorkerWatch over(List<ProcessHandle> workers, Consumer<Throwable> fail, Duration every) {
        if (workers.isEmpty()) { // Python runs in this process, or somewhere else
            return new WorkerWatch(workers, fail, null);
        }
        ScheduledExecutorService thread = Executors.newSingleThreadScheduledExecutor(task -> {
            Thread made = new Thread(task, "segments worker watch");
            made.setDaemon(true);
            return made;
        });
        WorkerWatch watch = new WorkerWatch(workers, fail, thread);
        thread.scheduleWithFixedDelay(
                () -> watch.look(Instant.now()), every.toMillis(), every.toMillis(), TimeUnit.MILLISECONDS);
        return watch;
    }

    static List<ProcessHandle> childrenSince(Stream<ProcessHandle> children, Instant since) {
        Instant earliest = since.minusSeconds(1); // the system rounds the instants at which processes start
        return children.filter(child -> child.info()
                        .startInstant()
                        .filter(started -> !started.isBefore(earliest))
                        .isPresent())
                .toList();
    }

    /** Fails the task once a worker has been dead for the patience. */
    void look(Instant now) {
        if (workers.stream().allMatch(ProcessHandle::isAlive)) {
            return;
        }
        if (deadSince == null) {
            deadSince = now;
        } else if (Duration.between(deadSince, now).compareTo(PATIENCE) >= 0) {
            close();
            fail.accept(new IllegalStateException(
                    "a Python worker of this task has died (killed, or out of memory: see the log of its machine) and Flink did"
                            + " not notice; the task is started anew"));
        }
    }

    @Override
    public void close() {
        if (thread != null) {
            thread.shutdown();
        }
    }
}
