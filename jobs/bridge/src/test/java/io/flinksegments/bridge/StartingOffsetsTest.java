package io.flinksegments.bridge;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.clients.consumer.OffsetResetStrategy;
import org.apache.kafka.common.TopicPartition;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class StartingOffsetsTest {
    @ParameterizedTest
    @ValueSource(strings = {"earliest", "latest", "committed", "timestamp"})
    @SuppressWarnings("deprecation") // as in Bridge
    void whereEventsWereRemovedReadingGoesOnWithTheOldestThatAreLeft(String start) {
        assertEquals(OffsetResetStrategy.EARLIEST, startingOffsets(start).getAutoOffsetResetStrategy());
    }

    @Test
    void aNewJobThatIsToBeginAtTheEndStillDoes() {
        List<TopicPartition> partitions = List.of(new TopicPartition("events", 0));
        assertEquals(
                OffsetsInitializer.latest().getPartitionOffsets(partitions, new EndsAtSeven()),
                startingOffsets("latest").getPartitionOffsets(partitions, new EndsAtSeven()));
    }

    private static OffsetsInitializer startingOffsets(String start) {
        Map<String, String> options = start.equals("timestamp")
                ? Samples.sourceOptions("start", start, "start.timestamp.ms", "5")
                : Samples.sourceOptions("start", start);
        return Bridge.startingOffsets(SourceOptions.of(options));
    }

    /** Kafka with partitions of seven events. */
    private static final class EndsAtSeven implements OffsetsInitializer.PartitionOffsetsRetriever {
        @Override
        public Map<TopicPartition, Long> committedOffsets(Collection<TopicPartition> partitions) {
            return Map.of();
        }

        @Override
        public Map<TopicPartition, Long> endOffsets(Collection<TopicPartition> partitions) {
            return partitions.stream().collect(Collectors.toMap(each -> each, each -> 7L));
        }

        @Override
        public Map<TopicPartition, Long> beginningOffsets(Collection<TopicPartition> partitions) {
            return Map.of();
        }

        @Override
        public Map<TopicPartition, OffsetAndTimestamp> offsetsForTimes(Map<TopicPartition, Long> timestamps) {
            return Map.of();
        }
    }
}
