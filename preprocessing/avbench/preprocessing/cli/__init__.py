"""The command group and the commands of preprocessing, one module each: parse options, call, print."""
