/**
 * Carries Kafka records to Python in frames and frames of records back to Kafka; it knows nothing of segments.
 *
 * <p>In the order of the data: {@link io.flinksegments.bridge.EventDeserializer}, {@link
 * io.flinksegments.bridge.EventClock}, {@link io.flinksegments.bridge.FrameBatcher}, then the Python operator, {@link
 * io.flinksegments.bridge.Unbatcher}, {@link io.flinksegments.bridge.OutputSerializer}. What the running job is told
 * comes in beside the events, by {@link io.flinksegments.bridge.ControlDeserializer}. {@link
 * io.flinksegments.bridge.Bridge} wires them. The bytes are described in docs/wire-formats.md.
 */
package io.flinksegments.bridge;
