"""What the stack's JVMs have in common."""

# The JVMs share a few cores with Python, which has most of the work: the optimizing compiler, which takes a third of a
# minute-long run at its default thresholds, waits until a method is ten times as hot. Measured: docs/benchmarks.md.
COMPILE_LATE = (
    "-XX:Tier4InvocationThreshold=50000",
    "-XX:Tier4MinInvocationThreshold=6000",
    "-XX:Tier4CompileThreshold=150000",
    "-XX:Tier4BackEdgeThreshold=400000",
)

# A JVM that runs for an hour or more compiles a method after a hundredth of the usual calls: what a checkpoint does is
# compiled for good after 50 of them, not after 5,000, and its memory stays as it is from then on.
COMPILE_EARLY = ("-XX:CompileThresholdScaling=0.01",)

# Without a cache for each kind of code, what is compiled for good takes the room of what it replaces: 15 MiB.
ONE_CODE_CACHE = "-XX:-SegmentedCodeCache"

# `flink run` ends before the optimizing compiler's work pays: 9 instead of 12 s of CPU.
CLIENT_JVM = "-XX:TieredStopAtLevel=1"
