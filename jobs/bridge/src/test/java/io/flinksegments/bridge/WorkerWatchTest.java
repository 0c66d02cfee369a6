package io.flinksegments.bridge;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class WorkerWatchTest {
    private static final Instant NOW = Instant.parse("2026-11-22T12:00:00Z");

    private final List<Process> started = new ArrayList<>();
    private final List<Throwable> failures = new ArrayList<>();

    private Process worker() throws Exception {
        Process made = new ProcessBuilder("sleep", "600").start();
        started.add(made);
        return made;
    }

    private static void kill(Process process) throws Exception {
        process.destroyForcibly();
        process.waitFor();
    }

    @AfterEach
    void endAll() throws Exception {
        for (Process each : started) {
            kill(each);
        }
    }

    private WorkerWatch watching(Process... workers) {
        List<ProcessHandle> handles = Stream.of(workers).map(Process::toHandle).toList();
        return WorkerWatch.over(handles, failures::add, Duration.ofDays(1));
    }

    @Test
    void aTaskWhoseWorkerIsDeadForAWhileFailsOnce() throws Exception {
        Process worker = worker();
        try (WorkerWatch watch = watching(worker(), worker)) {
            watch.look(NOW);
            kill(worker);
            watch.look(NOW.plusSeconds(100));
            watch.look(NOW.plusSeconds(100).plus(WorkerWatch.PATIENCE).minusMillis(1));
            assertEquals(0, failures.size());
            watch.look(NOW.plusSeconds(100).plus(WorkerWatch.PATIENCE));
            assertEquals(1, failures.size());
            assertTrue(failures.get(0).getMessage().contains("Python worker of this task has died"));
        }
    }

    @Test
    void aLivingWorkerIsLeftAlone() throws Exception {
        try (WorkerWatch watch = watching(worker())) {
            watch.look(NOW);
            watch.look(NOW.plusSeconds(3_600));
        }
        assertEquals(0, failures.size());
    }

    @Test
    void itLooksByItself() throws Exception {
        Process worker = worker();
        CompletableFuture<Throwable> failed = new CompletableFuture<>();
        try (WorkerWatch watch =
                WorkerWatch.over(List.of(worker.toHandle()), failed::complete, Duration.ofMillis(20))) {
            kill(worker);
            assertTrue(failed.get(30, TimeUnit.SECONDS) instanceof IllegalStateException);
        }
    }

    @Test
    void onlyChildrenOfThisAttemptAreItsWorkers() throws Exception {
        ProcessHandle worker = worker().toHandle();
        Instant start = worker.info().startInstant().orElseThrow();
        assertEquals(List.of(worker), WorkerWatch.childrenSince(Stream.of(worker), start));
        assertEquals(List.of(), WorkerWatch.childrenSince(Stream.of(worker), start.plusSeconds(5)));
    }
}
