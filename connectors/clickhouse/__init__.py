"""ClickHouse: migrations, the sink that fills it and the queries that read it."""
