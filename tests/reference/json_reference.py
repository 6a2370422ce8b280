#!/usr/bin/env python3
"""Declared values of JSON messages against Python's json: json_reference.py PROGRAM COUNT SEED.

PROGRAM is tests/parse/json_values. Messages are made from the shapes that feeds send, then mutated:
bytes changed, lost and doubled, values exchanged, keys in other orders, numbers of every form. A
message is accepted if and only if json accepts it and each declared value is what docs/json.md
says; the values must be equal, decimals digit by digit.
"""

import datetime
import json
import random
import re
import subprocess
import sys
from decimal import Decimal

FIELDS = [("/s", "text"), ("/E", "time-1000000"), ("/t", "u64"), ("/u", "i64"), ("/p", "decimal-8"),
          ("/q", "decimal-0"), ("/m", "bool"), ("/b/0/1", "decimal-18"), ("/data/p", "decimal-2"),
          ("/data/k/n", "i64"), ("/time", "time"), ("/sec", "time-1000000000")]

SHAPES = [
    '{"e":"trade","E":1723161255343,"s":"BTCUSDT","t":3735683259,"p":"61837.63000000","q":"2.0",'
    '"T":1723161255342,"m":true,"M":true}',
    '{"u":50093239212,"s":"BTCUSDT","b":[["1.5","0.000000000000000001"]],"a":[]}',
    '{"stream":"btcusdt@trade","data":{"p":"1.25","k":{"n":7,"x":false},"s":"A"},"s":"B"}',
    '{"time":"2024-08-09T00:54:15.342123Z","sec":1723164855.342,"s":"a\\u0041\\ud83d\\ude00\\n"}',
    '[{"s":"BTCUSDT"},1,null,true,"x",{"a":[[[]]]}]',
    ' { "p" : -1.5e2 , "q" : 1E3 , "u" : -9223372036854775808 , "t" : 18446744073709551615 } ',
    '{"s":"\u00e9\u5e01\U0001f600","time":"2016-12-31T23:59:60Z","sec":"12.5","m":null}',
]

VALUES = ["0", "-0", "1", "-1", "7.5", '"7.5"', "1e3", "1E-2", "1.0", '"007"', "007", "1.", ".5",
          "+1", "true", "false", "null", '""', '"x"', "[]", "{}", "[1]", "18446744073709551615",
          "18446744073709551616", "9223372036854775807", "9223372036854775808", "1e400", "1e-400",
          "-9223372036854775809", "0.00000001", "0.000000001", "92233720368.54775807", '"1e2"',
          "92233720368.54775808", '"\\ud800"', '"\\u0000"', "tru", "NaN", "0.10", "1723161255343",
          '"2024-02-30T00:00:00Z"', '"2024-02-29T12:00:00.123456789+05:30"', "1.000000000000000000",
          '"1970-01-01t00:00:00.5z"', '"2262-04-12T00:00:00Z"', '"1723161255"', "1e9", "{\"n\":5}"]

NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d+))?([Zz]|[+-]\d\d:\d\d)",
                  re.ASCII)
EPOCH = datetime.datetime(1970, 1, 1)


class Refused(Exception):
    pass


def time_of(text):
    found = TIME.fullmatch(text)
    if not found:
        raise Refused
    year, month, day, hour, minute, second = (int(found[i]) for i in range(1, 7))
    east = 0
    if found[8] not in "Zz":
        hours, minutes = int(found[8][1:3]), int(found[8][4:6])
        if hours > 23 or minutes > 59:
            raise Refused
        east = (hours * 60 + minutes) * (-60 if found[8][0] == "-" else 60)
    leap = second == 60
    try:
        moment = datetime.datetime(year, month, day, hour, minute, 59 if leap else second)
    except ValueError:
        raise Refused from None
    seconds = (moment - EPOCH) // datetime.timedelta(seconds=1) - east + leap
    if leap:
        after = EPOCH + datetime.timedelta(seconds=seconds)
        if (after.day, after.hour, after.minute, after.second) != (1, 0, 0, 0):
            raise Refused
    fraction = (found[7] or "").ljust(9, "0")
    if fraction[9:].strip("0"):
        raise Refused
    return seconds * 10**9 + int(fraction[:9])


def whole(number, scale, low, high):
    """The number times 10^scale, where that is an integer within the bounds."""
    if number.adjusted() > 40 or (number and number.adjusted() < -60):
        if number:
            raise Refused
        return 0
    sign, digits, exponent = number.as_tuple()
    value = int("".join(map(str, digits)))
    exponent += scale
    if exponent >= 0:
        value *= 10**exponent
    elif value % 10**-exponent:
        raise Refused
    else:
        value //= 10**-exponent
    value = -value if sign else value
    if not low <= value <= high:
        raise Refused
    return value


def value_of(kind, value):
    """What the program must print for a declared value."""
    if value is None:
        return "null"
    if kind == "bool":
        if not isinstance(value, bool):
            raise Refused
        return str(int(value))
    if kind == "text":
        if not isinstance(value, str):
            raise Refused
        try:
            return '"' + value.encode().hex()
        except UnicodeEncodeError:
            raise Refused from None
    if isinstance(value, str):
        if kind.startswith("time") and value[4:5] == "-":
            return str(whole(Decimal(time_of(value)), 0, -2**63, 2**63 - 1))
        if kind == "time" or not NUMBER.fullmatch(value):
            raise Refused
        value = Decimal(value)
    if kind == "time" or not isinstance(value, Decimal):
        raise Refused
    if kind == "u64":
        return str(whole(value, 0, 0, 2**64 - 1))
    scale = 0
    if kind.startswith("decimal"):
        scale = int(kind.split("-")[1])
    if kind.startswith("time"):
        scale = len(kind.split("-")[1]) - 1
    return str(whole(value, scale, -2**63, 2**63 - 1))


MISSING = object()


def follow(root, path):
    for key in path.split("/")[1:]:
        if isinstance(root, dict) and key in root:
            root = root[key]
        elif isinstance(root, list) and key.isdigit() and int(key) < len(root):
            root = root[int(key)]
        else:
            return MISSING
    return root


def not_json(text):
    raise ValueError(text)


def expected(line):
    """The line that the program must print; None where it must refuse."""
    try:
        root = json.loads(line.decode(), parse_int=Decimal, parse_float=Decimal,
                          parse_constant=not_json)
    except (ValueError, RecursionError):
        return None
    try:
        found = []
        for path, kind in FIELDS:
            value = follow(root, path)
            found.append("-" if value is MISSING else value_of(kind, value))
        return "\t".join(found)
    except Refused:
        return None


def mutated(rng):
    text = rng.choice(SHAPES)
    for _ in range(rng.choice((0, 0, 1, 1, 2, 4))):
        keys = list(re.finditer(r'":("[^"]*"|[-0-9.eE+]+|true|false|null)', text))
        if keys and rng.random() < 0.7:
            place = rng.choice(keys)
            text = text[:place.start(1)] + rng.choice(VALUES) + text[place.end(1):]
        elif rng.random() < 0.5 and text.startswith("{"):
            key = rng.choice([path.split("/")[1] for path, _ in FIELDS])
            text = '{"' + key + '":' + rng.choice(VALUES) + "," + text[1:]
    # Digits change all the time in a feed, and nothing else.
    text = re.sub(r"(?<=[1-9])[0-9]", lambda m: rng.choice("0123456789"), text)
    line = bytearray(text.encode("utf-8", "surrogatepass"))
    while line and rng.random() < 0.3:
        at = rng.randrange(len(line))
        what = rng.randrange(4)
        if what == 0:
            line[at] = rng.randrange(256)
        elif what == 1:
            del line[at:at + rng.randrange(1, 4)]
        elif what == 2:
            line[at:at] = line[at:at + rng.randrange(1, 6)]
        else:
            line[at:at] = rng.choice((b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b" ", b"\t"))
    return bytes(line).replace(b"\n", b" ")


def main():
    program, count, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    print(f"seed {seed}")
    rng = random.Random(seed)
    lines = [mutated(rng) for _ in range(count)]
    done = subprocess.run([program, *(f"{path}:{kind}" for path, kind in FIELDS)],
                          input=b"\n".join(lines) + b"\n", capture_output=True, check=True)
    answers = done.stdout.decode().splitlines()
    if len(answers) != count:
        sys.exit(f"{len(answers)} answers to {count} messages")
    accepted = 0
    for line, answer in zip(lines, answers):
        wanted = expected(line)
        accepted += wanted is not None
        if (answer.startswith("!") and wanted is not None) or \
                (not answer.startswith("!") and answer != wanted):
            sys.exit(f"message  {line!r}\nanswer   {answer}\nexpected {wanted}")
    print(f"{count} messages, {accepted} accepted, equal")
    if not count // 5 < accepted < count * 4 // 5:
        sys.exit("too one-sided to tell much")


main()
