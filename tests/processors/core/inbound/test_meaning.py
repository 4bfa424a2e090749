"""What inbound texts mean, decided by hand for each."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.core.inbound.meaning import Meaning, fold, interpret
from processors.policies.rows import shipped_policy
from processors.policies.tables import keywords

KEYWORDS = keywords(shipped_policy("keywords.csv"))

STOPS = """
STOP
Stop.
STOP!!
"STOP"
Stop 🙏
S.T.O.P
s t o p
STOP STOP STOP
please stop
STOP NOW
Please STOP!!! thanks
StopAll
stop all
End
Quit.
cancel
REVOKE
optout
Opt out
OPT-OUT
opt-out please
unsubscribe
Unsubcribe
ARRET
Arrêt !
Stopp!
No me envíes más mensajes
stop texting me
STOP TEXTING ME!!!!
Stop sending me this crap
please stop sending messages
Stop all messages
quit messaging me
stop spamming me
can you please stop texting me i dont know you
I never signed up for this please stop texting me
Who is this? Stop texting me
wrong number stop texting
I told you to stop texting me
i said stop
I already said STOP
don't text me
Don’t text me anymore
Do not text me again.
Do not contact this number again
never contact me again
Please don't text me anymore. I have nothing else to say.
please remove me
Please remove me from your list
take me off your list
can u take my number off of your contact list
remove my number from your database
unsubscribe me
Unsubscribe from this list
I'd like to unsubscribe
I want to opt out of these texts
How do I opt out?
opt me out
i dont want any more texts
I do not want to receive these messages
I no longer wish to receive text messages from you
no more texts
No more messages please
Leave me alone!
Lose my number
"""

OTHERS = """
stop by later
Think I could stop by in like an hour or so? My roommate's looking to stock up for a trip
Yup next stop.
Come to mahal bus stop
don't stop
Now that you have started dont stop. Just pray for more good ideas
Don't stop texting me
please don't stop texting me
i dont want you to stop texting me
She won't stop texting me
And my sister won't stop calling. It hurts to talk.
he told me to stop texting him
Why did you stop texting me?
If you stop sending me discounts I'm leaving
Great comedy..cant stop laughing da:)
Stop the story. I've told him i've returned it
Stop knowing me so well!
He needs to stop going to bed
Text STOP to 87121 to end
Reply STOP to unsubscribe
To unsubscribe reply STOP
To opt out, text STOP to 80082
Free entry! To stop txt STOP to 87121
the end
I plane to give on this month end.
Boooo you always work. Just quit.
Oh yah... We never cancel leh... Haha
cancel my appointment
don't text me while I'm driving
Ok, be careful ! Don't text and drive !
Text me when you get off, don't call, my phones having problems
K..u also dont msg or reply to his msg..
you never text me
you dont text me anymore
remove me as the second driver
Take me off speaker
I have no more texts left on my plan
I think u have the wrong number.
can I opt for home delivery
Yes please
ok
👍
"""


def lines(texts: str) -> list[str]:
    return texts.strip().splitlines()


@pytest.mark.parametrize("body", lines(STOPS))
def test_a_person_who_says_stop_is_understood(body: str) -> None:
    assert interpret(body, None, KEYWORDS) is Meaning.STOP


@pytest.mark.parametrize("body", lines(OTHERS))
def test_a_person_who_does_not_say_stop_is_not_stopped(body: str) -> None:
    assert interpret(body, None, KEYWORDS) is Meaning.OTHER


@pytest.mark.parametrize(
    ("body", "meaning"),
    [
        ("START", Meaning.START),
        ("Unstop!", Meaning.START),
        ("yes", Meaning.START),
        ("HELP", Meaning.HELP),
        ("info please", Meaning.HELP),
        ("aide", Meaning.HELP),
        ("Status?", Meaning.STATUS),
    ],
)
def test_other_keywords_are_understood(body: str, meaning: Meaning) -> None:
    assert interpret(body, None, KEYWORDS) is meaning


def test_twilios_opt_out_type_takes_precedence() -> None:
    assert interpret("adios", "STOP", KEYWORDS) is Meaning.STOP
    assert interpret("stop", "HELP", KEYWORDS) is Meaning.HELP


@pytest.mark.parametrize("opt_out_type", [None, "", "SOMETHING"])
def test_without_twilios_opt_out_type_the_text_is_read(opt_out_type: str | None) -> None:
    assert interpret("stop", opt_out_type, KEYWORDS) is Meaning.STOP


@given(
    keyword=st.sampled_from(sorted(KEYWORDS)),
    before=st.text(" \t\n.!?\"'*🙏👍-", max_size=4),
    after=st.text(" \t\n.!?\"'*🙏👍-", max_size=4),
    shout=st.booleans(),
)
def test_case_space_punctuation_and_emoji_change_no_keyword(keyword: str, before: str, after: str, shout: bool) -> None:
    body = before + (keyword.upper() if shout else keyword) + after
    assert interpret(body, None, KEYWORDS) is KEYWORDS[keyword]


@given(st.text(max_size=300))
def test_any_text_has_a_meaning_and_folds_to_itself(body: str) -> None:
    assert interpret(body, None, KEYWORDS) in Meaning
    assert fold(fold(body)) == fold(body)
