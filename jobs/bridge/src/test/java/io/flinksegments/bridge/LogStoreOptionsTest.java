package io.flinksegments.bridge;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.rocksdb.ColumnFamilyOptions;
import org.rocksdb.FlushOptions;
import org.rocksdb.Options;
import org.rocksdb.RocksDB;

class LogStoreOptionsTest {
    @Test
    void theFilesOfAFewCheckpointsAreNotMergedAndThoseOfManyAre(@TempDir Path folder) throws Exception {
        RocksDB.loadLibrary();
        List<AutoCloseable> handles = new ArrayList<>();
        try (ColumnFamilyOptions columns = new LogStoreOptions().createColumnOptions(new ColumnFamilyOptions(), handles);
                Options options = new Options(new org.rocksdb.DBOptions(), columns).setCreateIfMissing(true);
                RocksDB db = RocksDB.open(options, folder.toString());
                FlushOptions flush = new FlushOptions().setWaitForFlush(true)) {
            int most = 0;
            for (int checkpoint = 1; checkpoint <= 40; checkpoint++) {
                for (int shard = 0; shard < 8; shard++) {
                    db.put(new byte[] {(byte) shard, (byte) checkpoint}, new byte[1_000]);
                }
                db.flush(flush);
                int files = db.getLiveFilesMetaData().size();
                if (checkpoint < 16) {
                    assertEquals(checkpoint, files);
                }
                most = Math.max(most, files);
            }
            assertTrue(most < 40, most + " files were never merged");
        }
        assertTrue(handles.isEmpty());
    }
}
