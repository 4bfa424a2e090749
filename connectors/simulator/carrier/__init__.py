"""The simulated carriers: numbering, routes, queues, prices, segments and outcomes."""
