"""Repairs of Faust and aiokafka at run time; each module says what it changes and why."""
