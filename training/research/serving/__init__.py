"""What the exports cost: latency, memory, precision."""
