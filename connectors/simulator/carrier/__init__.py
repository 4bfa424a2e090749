"""The carrier side of the simulated network: numbering, routes, queues, prices, segments and outcomes."""
