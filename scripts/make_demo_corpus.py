#!/usr/bin/env python3
"""Generate an English-German corpus whose translation has to be learnt.

    python scripts/make_demo_corpus.py --out demo/raw --train 20000

Numbers, dates, times and amounts in words come from num2words and Babel, which know
both languages; a small grammar around them makes German do what German does: units
before tens in one long word, the participle at the end, the verb last after "dass",
articles and adjectives that agree with the noun in gender and case.
"""

import argparse
import random
from pathlib import Path

from babel import Locale
from num2words import num2words

NAMES = "Anna Ben Clara David Emma Felix Greta Hugo Ida Jonas Lena Max Nora Oskar Paula Tim".split()

# English singular and plural, German gender, singular and plural (accusative)
NOUNS = (
    ("car", "cars", "n", "Auto", "Autos"),
    ("house", "houses", "n", "Haus", "Häuser"),
    ("book", "books", "n", "Buch", "Bücher"),
    ("bicycle", "bicycles", "n", "Fahrrad", "Fahrräder"),
    ("table", "tables", "m", "Tisch", "Tische"),
    ("chair", "chairs", "m", "Stuhl", "Stühle"),
    ("coat", "coats", "m", "Mantel", "Mäntel"),
    ("apple", "apples", "m", "Apfel", "Äpfel"),
    ("lamp", "lamps", "f", "Lampe", "Lampen"),
    ("bottle", "bottles", "f", "Flasche", "Flaschen"),
    ("bag", "bags", "f", "Tasche", "Taschen"),
    ("clock", "clocks", "f", "Uhr", "Uhren"),
)
ADJECTIVES = (
    ("new", "neu"), ("old", "alt"), ("red", "rot"), ("blue", "blau"), ("small", "klein"),
    ("big", "groß"), ("cheap", "billig"), ("beautiful", "schön"), ("heavy", "schwer"),
)  # fmt: skip
ARTICLE = {"m": "einen", "f": "eine", "n": "ein"}
ENDING = {"m": "en", "f": "e", "n": "es"}
VERBS = (
    ("bought", "gekauft"), ("sold", "verkauft"), ("found", "gefunden"), ("seen", "gesehen"),
    ("ordered", "bestellt"), ("paid for", "bezahlt"), ("lost", "verloren"),
)  # fmt: skip
SAYINGS = (("says", "sagt"), ("believes", "glaubt"), ("writes", "schreibt"), ("knows", "weiß"))

_ENGLISH, _GERMAN = Locale("en"), Locale("de")


def number(rng):
    """A number of up to four digits, small ones more often."""
    return rng.randrange(2, 10 ** rng.randint(1, 4))


def in_words(value, to="cardinal"):
    """English (without hyphens and commas) and German."""
    english = num2words(value, lang="en", to=to).replace(",", "").replace("-", " ")
    return english, num2words(value, lang="de", to=to)


def thing(rng):
    """A noun phrase in the accusative: one of something, or many."""
    noun, nouns, gender, nomen, nomina = rng.choice(NOUNS)
    adjective, adjektiv = rng.choice(ADJECTIVES)
    if rng.random() < 0.4:
        article = "an" if adjective[0] in "aeiou" else "a"
        return (
            f"{article} {adjective} {noun}",
            f"{ARTICLE[gender]} {adjektiv}{ENDING[gender]} {nomen}",
        )
    english, german = in_words(number(rng))
    return f"{english} {adjective} {nouns}", f"{german} {adjektiv}e {nomina}"


def price(rng):
    """An amount of money, with cents or without."""
    english, german = in_words(number(rng))
    if rng.random() < 0.5:
        return f"for {english} euros", f"für {german} Euro"
    cents, cent = in_words(rng.randrange(2, 100))
    return f"for {english} euros and {cents} cents", f"für {german} Euro und {cent} Cent"


def date(rng):
    """A weekday and date; German puts it in the dative."""
    weekday, month = rng.randrange(7), rng.randrange(1, 13)
    day, tag = in_words(rng.randrange(1, 29), to="ordinal")
    year, jahr = in_words(rng.randrange(1810, 2100), to="year")
    return (
        f"on {_ENGLISH.days['format']['wide'][weekday]} the {day} of "
        f"{_ENGLISH.months['format']['wide'][month]} {year}",
        f"am {_GERMAN.days['format']['wide'][weekday]} dem {tag}n "
        f"{_GERMAN.months['format']['wide'][month]} {jahr}",
    )


def time(rng):
    """A time of day; half past two is "halb drei"."""
    hour = rng.randrange(1, 12)
    minutes = rng.choice((0, 15, 30, 45, rng.randrange(2, 30)))
    english, german = in_words(hour)
    if minutes == 0:
        return f"at {english} o'clock", f"um {'ein' if hour == 1 else german} Uhr"
    if minutes == 30:
        return f"at half past {english}", f"um halb {in_words(hour + 1)[1]}"
    if minutes == 15:
        return f"at a quarter past {english}", f"um Viertel nach {german}"
    if minutes == 45:
        later, spaeter = in_words(hour + 1)
        return f"at a quarter to {later}", f"um Viertel vor {spaeter}"
    past, nach = in_words(minutes)
    return f"at {past} minutes past {english}", f"um {nach} Minuten nach {german}"


def sentence(rng):
    """An English sentence and its translation."""
    name = rng.choice(NAMES)
    verb, partizip = rng.choice(VERBS)
    what, was = thing(rng)
    when, wann = rng.choice((date, time))(rng)
    cost, kosten = price(rng) if rng.random() < 0.5 else ("", "")
    clause = f"has {verb} {what} {cost} {when}"
    satz = f"{was} {kosten} {partizip}"
    kind = rng.random()
    if kind < 0.4:
        english, german = f"{name} {clause}.", f"{name} hat {wann} {satz}."
    elif kind < 0.7:  # German turns subject and verb round after an adverbial
        english = f"{when[0].upper()}{when[1:]} {name} has {verb} {what} {cost}."
        german = f"{wann[0].upper()}{wann[1:]} hat {name} {satz}."
    else:
        other = rng.choice(NAMES)
        says, sagt = rng.choice(SAYINGS)
        english = f"{other} {says} that {name} {clause}."
        german = f"{other} {sagt}, dass {name} {wann} {satz} hat."
    return tuple(" ".join(text.split()).replace(" .", ".") for text in (english, german))


def main(argv=None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--train", type=int, default=20000, help="training pairs")
    parser.add_argument("--valid", type=int, default=500, help="validation pairs")
    parser.add_argument("--test", type=int, default=500, help="test pairs")
    parser.add_argument("--seed", type=int, default=1, help="seed of the generator")
    args = parser.parse_args(argv)
    rng = random.Random(args.seed)
    args.out.mkdir(parents=True, exist_ok=True)
    seen = set()
    for split in ("test", "valid", "train"):
        pairs = []
        while len(pairs) < getattr(args, split):
            pair = sentence(rng)
            if pair[0] not in seen:  # no source sentence twice, so none in two splits
                seen.add(pair[0])
                pairs.append(pair)
        for lang, lines in zip(("en", "de"), zip(*pairs)):
            partial = args.out / f"{split}.{lang}.partial"
            with open(partial, "w", encoding="utf-8") as f:
                f.writelines(line + "\n" for line in lines)
            partial.replace(args.out / f"{split}.{lang}")
    print(f"wrote {args.train} + {args.valid} + {args.test} pairs to {args.out}")


if __name__ == "__main__":
    main()
