package io.flinksegments.bridge;

import java.util.Arrays;
import org.apache.flink.api.common.functions.FlatMapFunction;
import org.apache.flink.util.Collector;

/** Cuts an output frame into its records; each keeps the layout of the frame and is read by {@link OutputRecord}. */
public final class Unbatcher implements FlatMapFunction<byte[], byte[]> {
    @Override
    public void flatMap(byte[] frame, Collector<byte[]> out) {
        for (int start = 0; start < frame.length; ) {
            int end = OutputRecord.end(frame, start);
            out.collect(start == 0 && end == frame.length ? frame : Arrays.copyOfRange(frame, start, end));
            start = end;
        }
    }
}
