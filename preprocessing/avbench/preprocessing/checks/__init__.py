"""Whether what a rig and a trajectory say can be true: speeds, arrays, channels."""
