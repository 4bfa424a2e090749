"""Rules of law and carriers, Twilio's codes and prices as data files, and the code that reads them into a policy.

``twilio_codes.csv``   what each error code means (from Twilio) and what smsflow does about it (own)
``rate_card.csv``      prices per segment and per MMS, by country, sender type and day
``sender_types.csv``   how fast each type of sender may go
``keywords.csv``       words that mean STOP, START, HELP or STATUS, by language
``classes.toml``       lane, deadline and the end of an unknown outcome, by message class
``timing.toml``        back-off, windows and waits
"""
