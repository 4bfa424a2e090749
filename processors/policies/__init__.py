"""Law, carriers, Twilio codes and prices as data: every row names its source and its date."""
