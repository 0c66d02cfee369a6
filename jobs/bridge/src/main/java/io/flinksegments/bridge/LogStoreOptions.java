package io.flinksegments.bridge;

import java.util.Collection;
import java.util.List;
import org.apache.flink.state.rocksdb.RocksDBOptionsFactory;
import org.rocksdb.ColumnFamilyOptions;
import org.rocksdb.CompactionStyle;
import org.rocksdb.CompressionType;
import org.rocksdb.DBOptions;
import org.rocksdb.Env;
import org.rocksdb.Priority;

/**
 * RocksDB for logs of profiles: segments are appended, removed together, and read at a start only.
 *
 * <p>Each checkpoint leaves a file with segments of all shards. RocksDB's own options merge four of these with all that is
 * there, to read faster, and the next checkpoint uploads the result: most of what checkpoints carried, and events
 * waited for the processor that it took. Here many files of like size are merged at once, and rarely, by threads that
 * take a processor only where nothing else wants it.
 */
public final class LogStoreOptions implements RocksDBOptionsFactory {
    private static final long serialVersionUID = 1L;

    private static final int MERGED_TOGETHER = 32;
    private static final int SLOW_DOWN = 128; // writing waits only where merging does not keep up at all
    private static final int STOP = 192;

    @Override
    public DBOptions createDBOptions(DBOptions current, Collection<AutoCloseable> handlesToClose) {
        Env.getDefault().lowerThreadPoolCPUPriority(Priority.LOW); // of those who merge; who writes files is HIGH
        return current;
    }

    @Override
    public ColumnFamilyOptions createColumnOptions(
            ColumnFamilyOptions current, Collection<AutoCloseable> handlesToClose) {
        return current.setCompactionStyle(CompactionStyle.UNIVERSAL)
                .setLevel0FileNumCompactionTrigger(MERGED_TOGETHER)
                .setLevel0SlowdownWritesTrigger(SLOW_DOWN)
                .setLevel0StopWritesTrigger(STOP)
                .setCompressionPerLevel(List.of(CompressionType.NO_COMPRESSION)); // segments are packed already
    }
}
