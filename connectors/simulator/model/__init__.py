"""The simulated Twilio's data: settings, messages, the store, scheduled actions, faults and errors. No I/O."""
