"""What came out: records, columns, metrics, statistics, cost, the run folder."""
