"""Questions that call a tool, with the arguments to copy from them, and results of tools."""

from __future__ import annotations

import random

UNITS = ("second", "minute", "hour")
TEENS = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen"),
    "nineteen",
)
TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
OPERATIONS = ("plus", "minus", "times", "divided by", "multiplied by", "x", "+", "-", "*", "/")
SUMS = (
    *("what is {}", "what is {}", "what is {}", "what's {}", "what's {}", "how much is {}", "{}"),
    *("calculate {}", "what does {} make", "can you tell me what {} is", "how much is {} please"),
    *("please calculate {}", "compute {}", "can you calculate {}", "tell me what {} is"),
    *("and what is {}", "do you know what {} is", "what do you get for {}", "{} is what"),
    *("what is the result of {}", "i need to know what {} is", "how much does {} make"),
    *("could you calculate {} for me", "tell me {}", "and {}", "work out {}", "{} please"),
    *("what would {} be", "so what is {}", "i want to know what {} is", "what about {}"),
    *("what is {} equal to", "what does {} equal", "{} equals", "can you work out {}"),
)
ORDERS = (
    *("multiply {} by {}", "divide {} by {}", "add {} and {}", "add {} to {}"),
    *("subtract {} from {}", "multiply {} and {}", "multiply {} with {}"),
)
ORDERED = (
    "{}",
    "{}",
    "please {}",
    "can you {}",
    "could you {}",
    "{} for me",
    "{} please",
    "and {}",
)
NOUNS = (
    *("the sum of {} and {}", "the product of {} and {}", "{} percent of {}", "{}% of {}"),
    *("half of {}", "twice {}"),
)
TIMERS = (
    *("set a timer for {}", "set a timer for {}", "set the timer to {}", "timer for {}"),
    *("start a timer for {}", "wake me in {}", "remind me in {}", "please set a timer for {}"),
    *("set an alarm in {}", "can you set a timer for {}", "tell me when {} are over", "{} timer"),
    *("i need a timer for {}", "count down {}", "set a countdown for {}", "set a timer of {}"),
    *("call me in {}", "could you set a timer for {}", "set the timer for {}", "timer {}"),
    *("set a timer to {}", "start the timer for {}", "let me know in {}", "tell me in {}"),
    *("please wake me in {}", "give me a timer for {}", "i want a timer for {}", "{}"),
    *("set an alarm for {} from now", "tell me when {} have passed", "make a timer for {}"),
    *("would you set a timer for {}", "put a timer on for {}", "set a timer for {} please"),
    *("start a countdown of {}", "time {} for me", "remind me after {}", "wake me up in {}"),
)
SHORT_TIMERS = (
    *("set a {} timer", "start a {} timer", "i need a {} timer", "give me a {} timer"),
    *("can you set a {} timer", "please set a {} timer", "{} timer please", "set the {} timer"),
    *("could you start a {} timer", "set a {} countdown", "run a {} timer", "make a {} timer"),
)
NO_LENGTH = (
    *("set a timer", "start a timer", "please set a timer", "can you set a timer", "timer"),
    *("set a timer for me", "i need a timer", "set the timer", "could you set a timer for me"),
    *("start the timer", "set a countdown", "i want a timer", "i would like a timer"),
)


def sum_of(rng: random.Random) -> tuple[str, str]:
    """A question and the expression in it."""
    kind = rng.random()
    if kind < 0.7:
        terms = [number(rng)]
        for _ in range(1 if rng.random() < 0.88 else 2):
            terms += [rng.choice(OPERATIONS), number(rng)]
        close = rng.random() < 0.12 and all(it in "x+-*/" or it.isdigit() for it in terms)
        said = ("" if close else " ").join(terms)
        return rng.choice(SUMS).format(said), said
    if kind < 0.86:
        said = rng.choice(ORDERS).format(number(rng), number(rng))
        return rng.choice(ORDERED).format(said), said
    said = rng.choice(NOUNS).format(number(rng), number(rng))
    return rng.choice(SUMS).format(said), said


def timer_of(rng: random.Random) -> tuple[str, str]:
    """A question and the length of time in it; "" where it has none."""
    kind = rng.random()
    unit = rng.choice((*UNITS, "minute", "minute"))
    if kind < 0.04:
        return rng.choice(NO_LENGTH), ""
    if kind < 0.25:
        said = f"{number(rng, 120)}{rng.choice(' -') if rng.random() < 0.9 else ' '}{unit}"
        return rng.choice(SHORT_TIMERS).format(said), said
    if kind < 0.4:
        said = rng.choice(
            (
                *("half an hour", "an hour", "a minute", "an hour and a half", "one hour"),
                *("a quarter of an hour", "one minute", "a second", "half a minute"),
                f"{number(rng, 30)} and a half {unit}s",
                f"{number(rng, 24)} hours and {number(rng, 60)} minutes",
                f"{number(rng, 60)} minutes and {number(rng, 60)} seconds",
                f"{number(rng, 60)} minutes {number(rng, 60)} seconds",
                f"1 hour and {number(rng, 60)} minutes",
                f"{rng.randrange(1, 10)}.5 {unit}s",
            )
        )
    else:
        said = f"{number(rng, 120)} {unit}s"
    return rng.choice(TIMERS).format(said), said


def number(rng: random.Random, most: int = 10_000) -> str:
    """A number as a recogniser writes it: mostly digits, else words."""
    kind = rng.random()
    value = rng.randrange(min(most, 10 ** rng.randint(1, 4)) + 1)
    if kind < 0.22 and value < 1000:
        return words(value, rng)
    if most == 10_000:
        if kind > 0.96:
            return f"{value % 1000}.{rng.randrange(1, 100)}".rstrip("0")
        if kind > 0.94:
            return f"{rng.randrange(1000, 1_000_000):,}"
        if value >= 1000 and rng.random() < 0.5:
            return f"{value:,}"
    return str(value)


def words(value: int, rng: random.Random) -> str:
    """A number below a thousand in words."""
    if value < 20:
        return TEENS[value]
    if value < 100:
        tens, ones = TENS[value // 10 - 2], value % 10
        return f"{tens}{rng.choice(' -')}{TEENS[ones]}" if ones else tens
    head = f"{rng.choice(('a', 'one')) if value < 200 else TEENS[value // 100]} hundred"
    if not value % 100:
        return head
    return f"{head}{rng.choice((' and ', ' '))}{words(value % 100, rng)}"


def result(rng: random.Random, tool: str) -> str:
    """Something like what a tool gives."""
    if tool == "time":
        return f"It is {rng.randrange(24)}:{rng.randrange(60):02}."
    if tool == "date":
        days = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday"
        months = (
            "January February March April May June July August September October November December"
        )
        day, month = rng.choice(days.split()), rng.choice(months.split())
        return f"It is {day}, {month} {rng.randrange(1, 32)}, {rng.randrange(2024, 2060)}."
    if tool == "dice":
        return f"You rolled a {rng.randrange(1, 7)}."
    if tool == "coin":
        return rng.choice(("Heads.", "Tails."))
    if tool == "timer":
        if rng.random() < 0.1:
            return "How long?"
        parts = [_counted(rng.randrange(1, 60), unit) for unit in reversed(UNITS)]
        parts = sorted(rng.sample(range(3), rng.choice((1, 1, 1, 2)))), parts
        return f"I will tell you in {' and '.join(parts[1][at] for at in parts[0])}."
    if rng.random() < 0.08:
        return rng.choice(("That cannot be divided.", "I cannot calculate that."))
    value = rng.randrange(10 ** rng.randint(1, 8))
    decimals = f".{rng.randrange(1, 100):02}".rstrip("0") if rng.random() < 0.25 else ""
    about = "about " if decimals and rng.random() < 0.6 else ""
    return f"That is {about}{'minus ' if rng.random() < 0.12 else ''}{value}{decimals}."


def _counted(n: int, unit: str) -> str:
    return f"{n} {unit}{'' if n == 1 else 's'}"
