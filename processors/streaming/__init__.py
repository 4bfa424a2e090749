"""What smsflow adds to Faust: durable tables, ordered acknowledgements, partition ownership and ticks."""
