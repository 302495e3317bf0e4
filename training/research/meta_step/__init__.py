"""The benchmark's parts: workloads, contenders, the timing, the table and the plot."""
