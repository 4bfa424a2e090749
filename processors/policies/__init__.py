"""Law, carriers, Twilio's codes, prices: data with source and date per row, and what turns it into a policy.

``twilio_codes.csv``   what each error code means to us (meaning and place are Twilio's, the judgement is ours)
``rate_card.csv``      prices per segment and per MMS, by country, sender type and day
``sender_types.csv``   how fast each type of sender may go
``keywords.csv``       words that mean STOP, START, HELP or STATUS, by language
``classes.toml``       lane, deadline and doubt per message class
``timing.toml``        back-off, windows and waits
"""
