"""Facts about SMS: phone numbers, segments, encodings, prices and retries."""
