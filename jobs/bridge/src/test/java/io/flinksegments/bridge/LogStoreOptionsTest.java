package io.flinksegments.bridge;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.rocksdb.ColumnFamilyOptions;
import org.rocksdb.CompressionType;
import org.rocksdb.DBOptions;
import org.rocksdb.FlushOptions;
import org.rocksdb.Options;
import org.rocksdb.RocksDB;

class LogStoreOptionsTest {
    @Test
    void theFilesOfAFewCheckpointsAreNotMergedAndThoseOfManyAre(@TempDir Path folder) throws Exception {
        RocksDB.loadLibrary();
        List<AutoCloseable> handles = new ArrayList<>();
        try (ColumnFamilyOptions columns = new LogStoreOptions().createColumnOptions(new ColumnFamilyOptions(), handles);
                Options options = new Options(new DBOptions(), columns).setCreateIfMissing(true);
                RocksDB db = RocksDB.open(options, folder.toString());
                FlushOptions flush = new FlushOptions().setWaitForFlush(true)) {
            int most = 0;
            for (int checkpoint = 1; checkpoint <= 48; checkpoint++) {
                for (int shard = 0; shard < 8; shard++) {
                    db.put(new byte[] {(byte) shard, (byte) checkpoint}, new byte[1_000]);
                }
                db.flush(flush);
                int files = db.getLiveFilesMetaData().size();
                if (checkpoint < 32) {
                    assertEquals(checkpoint, files);
                }
                most = Math.max(most, files);
            }
            assertTrue(most < 48, most + " files were never merged");
        }
        assertTrue(handles.isEmpty());
    }

    @Test
    void whatIsPackedIsNotPackedAgain() {
        RocksDB.loadLibrary();
        List<CompressionType> asFlinkSetsIt = List.of(CompressionType.SNAPPY_COMPRESSION);
        try (ColumnFamilyOptions flink = new ColumnFamilyOptions().setCompressionPerLevel(asFlinkSetsIt);
                ColumnFamilyOptions columns = new LogStoreOptions().createColumnOptions(flink, new ArrayList<>())) {
            assertEquals(List.of(CompressionType.NO_COMPRESSION), columns.compressionPerLevel());
        }
    }

    @Test
    @EnabledOnOs(OS.LINUX)
    void whoMergesFilesLeavesTheProcessorToAllOthers(@TempDir Path folder) throws Exception {
        RocksDB.loadLibrary();
        LogStoreOptions log = new LogStoreOptions();
        try (ColumnFamilyOptions columns = log.createColumnOptions(new ColumnFamilyOptions(), new ArrayList<>());
                Options options = new Options(log.createDBOptions(new DBOptions(), new ArrayList<>()), columns)
                        .setCreateIfMissing(true);
                RocksDB db = RocksDB.open(options, folder.toString())) {
            db.put(new byte[] {1}, new byte[1_000]);
            db.compactRange();
            List<Integer> niceness = new ArrayList<>();
            try (DirectoryStream<Path> threads = Files.newDirectoryStream(Path.of("/proc/self/task"))) {
                for (Path thread : threads) {
                    String stat = Files.readString(thread.resolve("stat"));
                    if (stat.contains("(rocksdb:low)")) {
                        niceness.add(Integer.parseInt(stat.substring(stat.lastIndexOf(')') + 2).split(" ")[16]));
                    }
                }
            }
            assertFalse(niceness.isEmpty());
            assertTrue(niceness.contains(19), "none of those who merge stands back: " + niceness);
        }
    }
}
