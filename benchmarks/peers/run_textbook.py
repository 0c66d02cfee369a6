"""What `flink run -py` is given: the job lies in a module, so that workers import what they run."""

from benchmarks.peers.textbook_pyflink import main

if __name__ == "__main__":
    main()
