package io.flinksegments.bridge;

import java.nio.charset.StandardCharsets;
import java.util.stream.IntStream;
import java.util.zip.CRC32;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.functions.KeySelector;
import org.apache.flink.runtime.state.KeyGroupRangeAssignment;
import org.apache.flink.types.Row;

/** Which shard a user belongs to, and which subtask a shard belongs to. */
final class Shards {
    /** The key type that PyFlink expects; the same on both sides of the batcher, or key groups would disagree. */
    static final TypeInformation<Row> KEY_TYPE = Types.ROW(Types.INT);

    private Shards() {}

    /** The shard of a user: crc32 of the UTF-8 user id, modulo the number of shards. */
    static int ofUser(String user, int shards) {
        CRC32 crc = new CRC32();
        crc.update(user.getBytes(StandardCharsets.UTF_8));
        return (int) (crc.getValue() % shards);
    }

    /** The shard of a record without a readable user: spread evenly, the same on every run. */
    static int ofFaulty(int partition, long offset, int shards) {
        return (int) Math.floorMod(partition * 31L + offset, (long) shards);
    }

    /** The shards that one subtask owns, in ascending order. */
    static int[] owned(int shards, int maxParallelism, int parallelism, int subtask) {
        return IntStream.range(0, shards)
                .filter(shard -> KeyGroupRangeAssignment.assignKeyToParallelOperator(
                                Row.of(shard), maxParallelism, parallelism)
                        == subtask)
                .toArray();
    }

    /** Keys events by their shard, with one row object a shard. */
    static final class EventKey implements KeySelector<EventRecord, Row> {
        private final Row[] keys;

        EventKey(int shards) {
            keys = IntStream.range(0, shards).mapToObj(Row::of).toArray(Row[]::new);
        }

        @Override
        public Row getKey(EventRecord event) {
            return keys[event.shard()];
        }
    }

    /** Keys frames by the shard in their first field. */
    static final class FrameKey implements KeySelector<Row, Row> {
        @Override
        public Row getKey(Row frame) {
            return Row.of(frame.getField(0));
        }
    }
}
