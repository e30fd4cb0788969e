"""The commands of the benchmark, one module each: parse options, call, print."""
