"""The simulated shop, the load generator and the benchmarks that use them."""
