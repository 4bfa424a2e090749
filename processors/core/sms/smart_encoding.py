"""Smart encoding: characters outside GSM-7, and the GSM-7 text that each looks like.

Source: https://www.twilio.com/docs/messaging/services/smart-encoding-char-list, by families.
"""

_FAMILIES = {
    '"': "«»“”„‟ʺˮ❝❞〝〞",
    "'": "‘’‛ʻʼʽʹˈ´ˊ`ˋ❛❜\u0313\u0314\ufe10\ufe11",
    "-": "\u2010\u2013\u2014\u2015\u2022\u2043\u23bc\u23bd\ufe63",
    "_": "\u2017\u0332",
    "/": "\u00f7\u2044\u2215\u29f8\u0337\u0338",
    "\\": "\u29f5\u29f9\u20e5\ufe68",
    "|": "\u2223\u23b8\u23b9\u23d0\u239c\u239f\u20d2\u20d3",
    "*": "\u204e\u2217\u229b✢✣✤✥✱✲✳✺✻✼✽❃❉❊❋\u29c6\ufe61",
    "~": "\u02dc\u02f7\u0303\u0330\u0334\u223c",
    "^": "\u02c6\u0302\u1dcd",
    ",": "\u201a\u0326\u3001\ufe50\ufe51\uff64",
    ".": "\u3002\ufe52\uff61",
    ":": "\u02d0\u02f8\u2982\ua789\ufe13",
    ";": "\u204f\ufe14\ufe54",
    "!": "\u01c3\ufe15\ufe57",
    "?": "\ufe16\ufe56",
    "=": "\u0347\ua78a\ufe66",
    "+": "\u02d6\ufe62",
    "<": "\u2039\ufe64",
    ">": "\u203a\ufe65",
    "(": "\u2768\u276a\ufe59\u27ee\u2985",
    ")": "\u2769\u276b\ufe5a\u27ef\u2986",
    "{": "\u2774\ufe5b",
    "}": "\u2775\ufe5c",
    "@": "\ufe6b",
    "$": "\ufe69",
    "#": "\ufe5f",
    "%": "\ufe6a",
    "&": "\ufe60",
    "!!": "‼",
    "...": "…",
    "1/4": "¼",
    "1/2": "½",
    "3/4": "¾",
    " ": "\t\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
    "\u0080\u008d\u0090\u009b\u009f",
    "": "\u0000\u0003\u0004\u0010\u0011\u0012\u0013\u0014\u0017\u0019\u200b\u200c\u2060\ufeff",
}
_SMALL_CAPITALS = dict(zip("ABCDEFGHIJKLMNOPRSTUVWYZ", "ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢ", strict=True))
# Full-width forms are in the order of ASCII. Twilio's list has punctuation, digits and capitals, no small letters.
_FULL_WIDTH = {chr(code - 0xFEE0): chr(code) for code in (*range(0xFF01, 0xFF40), *range(0xFF5B, 0xFF5F))}

LOOK_ALIKES: dict[int, str] = {
    ord(character): target
    for family in (_FAMILIES, _SMALL_CAPITALS, _FULL_WIDTH)
    for target, characters in family.items()
    for character in characters
}
"""Code point to replacement, as ``str.translate`` takes it."""
