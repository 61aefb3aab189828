"""Files as text: every way to be wrong as YAML or as a record, with the message and the place that it gets."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulate import documents
from simulate.documents import Document, read, usable, validate
from simulate.errors import InvalidInput, MissingExtra, Place, Problem, in_order, nearest
from simulate.indicators import Indicator
from simulate.scenarios import ScenarioFile
from simulate.targets import SeedFile

BAD: dict[str, tuple[str, list[str]]] = {
    "empty": (
        "",
        ["1:1 the file is empty. | It needs at least one key."]),
    "comment": (
        "# only\n",
        ["1:1 the file is empty. | It needs at least one key."]),
    "null": (
        "~",
        ["1:1 a mapping (key: value) is needed here. | Write one 'key: value' a line."]),
    "scalar": (
        "hello",
        ["1:1 a mapping (key: value) is needed here. | Write one 'key: value' a line."]),
    "list": (
        "- 1\n",
        ["1:1 a mapping (key: value) is needed here, not a list. | Keys: label, description, extends, default, "
         "region, horizon, report_years, runs, seed, …"]),
    "number": (
        "5\n",
        ["1:1 a mapping (key: value) is needed here. | Write one 'key: value' a line."]),
    "tab": (
        "region: thz\nlevers:\n\ttalent: {level: 1}\n",
        ["3:1 is not YAML: a tab stands where YAML wants spaces. | Indent with spaces."]),
    "tab2": (
        "a: 1\n\tb: 2\n",
        ["2:1 is not YAML: a tab stands where YAML wants spaces. | Indent with spaces."]),
    "colon": (
        "label: {zh: a: b}\n",
        ["1:14 is not YAML: ',' or '}' is expected here, in the bracket opened at 1:8. | Close the bracket, "
         "part its entries by commas, and put text that holds ': ' in quotes."]),
    "colon2": (
        "region: thz: 1\n",
        ["1:12 is not YAML: a colon stands where no key is expected. | Put text that holds ': ' in quotes, "
         "and check the indentation."]),
    "at": (
        "region: @thz\n",
        ["1:9 is not YAML: a plain word cannot start with '@'. | Put the word in quotes."]),
    "quote": (
        "region: 'thz\n",
        ["1:9 is not YAML: the quote that opens here is never closed. | Close it."]),
    "bracket": (
        "report_years: [2025, 2035\nruns: 1\n",
        ["2:5 is not YAML: ',' or ']' is expected here, in the bracket opened at 1:15. | Close the bracket, "
         "part its entries by commas, and put text that holds ': ' in quotes."]),
    "unclosed": (
        "levers: {talent: {level: 1}\nruns: 2\n",
        ["2:1 is not YAML: ',' or '}' is expected here, in the bracket opened at 1:9. | Close the bracket, "
         "part its entries by commas, and put text that holds ': ' in quotes."]),
    "indent": (
        "region: thz\n runs: 5\n",
        ["2:6 is not YAML: a colon stands where no key is expected. | Put text that holds ': ' in quotes, "
         "and check the indentation."]),
    "two": (
        "region: thz\n---\nregion: teda\n",
        ["2:1 is not YAML: a second document starts here. | Remove the line '---', or split the file."]),
    "alias": (
        "region: *thz\n",
        ["1:9 is not YAML: an alias (*name) without its anchor (&name). | Put text that starts with * in quotes."]),
    "dupanchor": (
        "a: &x 1\nb: &x 2\n",
        ["2:4 is not YAML: an anchor (&name) of this name stands already above. | Name it otherwise; put "
         "text that starts with & in quotes."]),
    "ctrl": (
        "label: {zh: 高新区, en: a\x07b}\n",
        ["1:23 is not YAML: the control character U+0007 stands here. | Remove it."]),
    "nul": (
        "region: th\x00z\n",
        ["1:11 is not YAML: the control character U+0000 stands here. | Remove it."]),
    "dup": (
        "runs: 1\nregion: thz\nruns: 2\nlevers:\n  talent: {level: 1, level: 0.5}\n",
        ["3:1 the key 'runs' stands twice in one mapping (first in line 1). | Keep one of them.",
         "5:22 the key 'level' stands twice in one mapping (first in line 5). | Keep one of them."]),
    "dup2": (
        "paths:\n  gdp:\n    values: {2021: 1, '2021': 2}\n",
        ["3:23 the key '2021' stands twice in one mapping (first in line 3). | Keep one of them."]),
    "key": (
        "runs: 1\n? [a, b]\n: 2\ntrue: 3\n1.5: 3\n~: 3\n",
        ["2:3 a key must be a word or a whole number. | Quote the key if it is a word.",
         "4:1 a key must be a word or a whole number. | Quote the key if it is a word.",
         "5:1 a key must be a word or a whole number. | Quote the key if it is a word.",
         "6:1 a key must be a word or a whole number. | Quote the key if it is a word."]),
    "recursive": (
        "a: &a [*a]\n",
        ["1:4 the file unfolds to too many values (aliases of aliases, or nesting without end). | Write the "
         "values out; anchors and aliases may not multiply."]),
    "recursive2": (
        "levers: &a\n  talent: *a\n",
        ["1:9 the file unfolds to too many values (aliases of aliases, or nesting without end). | Write the "
         "values out; anchors and aliases may not multiply."]),
    "tag": (
        "region: !foo thz\nruns: !!int '5'\nseed: !!float abc\nhorizon: !!python/object:os.system {}\nlevers: "
        "!!set {talent}\nlabel: {zh: !!binary aGk=, en: !!str 5}\n",
        ['1:9 the tag !foo is not read here. | Write the value without a tag: 5 is a number, "5" is text.',
         '2:7 the tag !!int is not read here. | Write the value without a tag: 5 is a number, "5" is text.',
         '3:7 the tag !!float is not read here. | Write the value without a tag: 5 is a number, "5" is text.',
         "4:10 the tag !!python/object:os.system is not read here. | Write the value without a tag.",
         "5:9 the tag !!set is not read here. | Write the value without a tag.",
         '6:13 the tag !!binary is not read here. | Write the value without a tag: 5 is a number, "5" is text.']),
    "norwaybool": (
        "default: yes\nregion: thz\n",
        ["1:10 default: 'yes' is neither true nor false. | Write true or false."]),
    "boolasnumber": (
        "runs: true\nhorizon: yes\n",
        ["1:7 runs: true is not a whole number. | Write a plain whole number, without unit, separators or quotes.",
         "2:10 horizon: 'yes' is not a whole number. | Write a plain whole number, without unit, separators or quotes."]),
    "numbers": (
        "runs: 1_000\nseed: 12:30\nhorizon: 0x7F3\nsteps_per_year: 010\nreport_years: [1e3, 2025.0, '2030', "
        "2_030, 2025-01-01]\n",
        ["1:7 runs: '1_000' is not a whole number. | Write a plain whole number, without unit, separators or quotes.",
         "2:7 seed: '12:30' is not a whole number. | Write a plain whole number, without unit, separators or quotes.",
         "5:16 report_years[0]: 1000.0 is not a whole number. | Write a plain whole number, without unit, separators or quotes.",
         "5:21 report_years[1]: 2025.0 is not a whole number. | Write a plain whole number, without unit, separators or quotes.",
         "5:29 report_years[2]: '2030' is not a whole number. | Write a plain whole number, without unit, separators or quotes.",
         "5:37 report_years[3]: '2_030' is not a whole number. | Write a plain whole number, without unit, "
         "separators or quotes.",
         "5:44 report_years[4]: '2025-01-01' is not a whole number. | Write a plain whole number, without "
         "unit, separators or quotes."]),
    "nan": (
        "levers:\n  talent: {level: .nan, start: .inf, ramp: -.inf}\nparameters: {capital_share: 1e400}\n"
        "uncertainties:\n  renewal_share: {uniform: [0, .NaN]}\nruns: .inf\n",
        ["2:19 levers.talent.level: nan is not a finite number. | Write a finite number.",
         "2:32 levers.talent.start: inf is not a finite number. | Write a finite number.",
         "2:44 levers.talent.ramp: -inf is not a finite number. | Write a finite number.",
         "3:29 parameters.capital_share: inf is not a finite number. | Write a finite number.",
         "5:32 uncertainties.renewal_share.uniform[1]: nan is not a finite number. | Write a finite number.",
         "6:7 runs: inf is not a whole number. | Write a plain whole number, without unit, separators or quotes."]),
    "types": (
        "region: 5\nhorizon: soon\nreport_years: 2025\nruns: 1.5\nlevers: [talent]\nshocks: {covid: 0.1}\n"
        "parameters: {capital_share: high}\nlabel: both\nmethod: rk5\npaths: {gdp: {values: {soon: 1}}, rd_intensity: "
        "{values: [1], unit: 5}}\n",
        ["1:9 region: 5 is not text. | Write a word, in quotes if it looks like a number.",
         "2:10 horizon: 'soon' is not a whole number. | Write a plain whole number, without unit, separators or quotes.",
         "3:15 report_years: a list is needed here, not 2025. | Write [a, b, …] or one item per line with '- '.",
         "4:7 runs: 1.5 is not a whole number. | Write a plain whole number, without unit, separators or quotes.",
         "5:9 levers: a mapping (key: value) is needed here, not a list. | Write one 'key: value' a line, "
         "indented, or leave the key out.",
         "6:17 shocks.covid: a mapping (key: value) is needed here, not 0.1. | Keys: start, size, duration, on.",
         "7:29 parameters.capital_share: 'high' is not a number. | Write a plain number: digits with at most "
         "one point, without unit, separators or quotes.",
         "8:8 label: a mapping (key: value) is needed here, not 'both'. | Keys: zh, en.",
         "9:9 method: 'rk5' is not allowed. | Did you mean 'rk4'? Allowed: euler, rk4.",
         "10:24 paths.gdp.values.soon: 'soon' is not a whole number. | Write whole numbers (years) as keys here.",
         "10:58 paths.rd_intensity.values: a mapping (key: value) is needed here, not a list. | Write one "
         "'key: value' a line, indented, or leave the key out.",
         "10:69 paths.rd_intensity.unit: 5 is not text. | Write a word, in quotes if it looks like a number."]),
    "missing": (
        "label: {zh: x}\nshocks: {covid: {start: 2020}}\n",
        ["1:8 'label.en' is missing. | Add the key 'en'.",
         "2:17 'shocks.covid.size' is missing. | Add the key 'size'."]),
    "unknown": (
        "regoin: thz\nlevers:\n  talent: {levl: 1}\nlabel: {zh: a, en: b, fr: c}\npaths:\n  gdp: {form_plan: "
        "true}\nuncertainties:\n  renewal_share: {unifrom: [0, 1]}\n<<: {a: 1}\n",
        ["1:1 regoin: no such key. | Did you mean 'region'? Keys: default, description, extends, fitted, horizon, label, levers, …",
         "3:12 levers.talent.levl: no such key. | Did you mean 'level'? Keys: level, ramp, start.",
         "4:23 label.fr: no such key. | Keys: en, zh.",
         "6:9 paths.gdp.form_plan: no such key. | Did you mean 'from_plan'? Keys: after, from_plan, period, "
         "source, total, unit, values.",
         "8:19 uncertainties.renewal_share.unifrom: no such key. | Did you mean 'uniform'? Keys: beta, choice, "
         "lognormal, normal, triangular, uniform.",
         "9:1 <<: no such key. | Keys: default, description, extends, fitted, horizon, label, levers, method, parameters, paths, …"]),
    "null vals": (
        "region:\nlabel: {zh: , en: }\nlevers:\n",
        ["2:13 label.zh: nothing is not text. | Write a word, in quotes if it looks like a number.",
         "2:19 label.en: nothing is not text. | Write a word, in quotes if it looks like a number.",
         "3:8 levers: a mapping (key: value) is needed here, not nothing. | Write one 'key: value' a line, "
         "indented, or leave the key out."]),
    "ansi": (
        '"\\e[31mred": 1\n',
        ["1:1 \x1b[31mred: no such key. | Keys: default, description, extends, fitted, horizon, label, levers, method, "
         "parameters, paths, …"]),
    "super": (
        "²: 1\nlevers: {'²': {level: 2}, '--5': {}}\n",
        ["1:1 ²: no such key. | Keys: default, description, extends, fitted, horizon, label, levers, method, parameters, paths, …",
         "2:23 levers.².level: 2 is not between 0 (none) and 1 (full). | Give a share of full strength."]),
    "crlf": (
        "region: thz\r\nruns: x\r\n",
        ["2:7 runs: 'x' is not a whole number. | Write a plain whole number, without unit, separators or quotes."]),
}
"""Text of a scenario file, and each message it gets: line:column, what | remedy. A final " …" stands for more of a list."""


def matches(found: list[str], expected: list[str]) -> bool:
    """Whether the messages are those expected."""
    return len(found) == len(expected) and all(
        f.startswith(e[:-1]) if e.endswith(" …") else f == e for f, e in zip(found, expected, strict=True))


def shown(invalid: InvalidInput) -> list[str]:
    """Each problem as line:column, what | remedy."""
    return [f"{p.where.line}:{p.where.column} {p.what} | {p.remedy}" if p.where and p.where.line else f"{p.what} | {p.remedy}"
            for p in invalid.problems]


def problems(folder: Path, text: str | bytes, kind: Any = ScenarioFile) -> list[str]:
    """What is wrong with `text` as a file of `kind`."""
    file = folder / "bad.yaml"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(InvalidInput) as caught:
        validate(kind, read(file))
    assert all(p.where is not None and p.where.file == file for p in caught.value.problems)
    return shown(caught.value)


@pytest.mark.parametrize("name", BAD)
def test_every_message_with_its_place(name: str, tmp_path: Path) -> None:
    text, expected = BAD[name]
    found = problems(tmp_path, text)
    assert matches(found, expected), "\n".join(found)


@pytest.mark.parametrize(("content", "expected"), [
    ("region: thz\nlabel: {zh: é, en: e}\n".encode("latin-1"), "2:13 is not UTF-8 text. | Save the file as UTF-8."),
    ("region: thz\nlabel: {zh: 高新区, en: x}\n".encode("gbk"), "2:13 is not UTF-8 text. | Save the file as UTF-8."),
    ("region: thz\n".encode("utf-16"), "1:1 is not UTF-8 text. | Save the file as UTF-8."),
    ("\ufeffregion: 5\n".encode(), "1:9 region: 5 is not text. | Write a word, in quotes if it looks like a number."),
    ("label: {zh: 高新区, en: a\x07b}\n".encode(), "1:23 is not YAML: the control character U+0007 stands here. | Remove it."),
    (b"# " + b"x" * 999_999, "the file has more than 1,000,000 bytes, the most that is read. | "
                             "Split it, or check that it is the file you mean."),
], ids=["latin-1", "gbk", "utf-16", "BOM", "control character", "over 1 MB"])
def test_bytes(content: bytes, expected: str, tmp_path: Path) -> None:
    assert problems(tmp_path, content) == [expected]


def test_a_file_of_just_one_megabyte_and_a_bom_are_read(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_bytes(b"\xef\xbb\xbfregion: thz # ".ljust(documents.MAX_BYTES, b"x"))
    assert validate(ScenarioFile, read(file)).region == "thz"


@pytest.mark.parametrize("name", ["nowhere.yaml", "", "a\0b", "x" * 5000])
def test_a_file_that_cannot_be_read(name: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"cannot be read: .*\.\n    Check the path\.") as caught:
        read(tmp_path / name)  # "" is the folder itself
    assert caught.value.problems[0].where == Place(tmp_path / name)


NESTING = "mappings and lists are nested more than 40 deep. | No key needs so many levels: check the brackets."
UNFOLDS = ("the file unfolds to too many values (aliases of aliases, or nesting without end). | "
           "Write the values out; anchors and aliases may not multiply.")
LAUGHS = "".join(f"{b}: &{b} [{','.join([f'*{a}'] * 10)}]\n" for a, b in zip("abcde", "bcdef", strict=True))


@pytest.mark.parametrize(("text", "expected"), [
    ("[" * 100_000, f"1:40 {NESTING}"),  # libyaml alone dies of this: no exception, a dead process
    ("- " * 100_000, f"1:79 {NESTING}"),
    ("{" * 41, f"1:40 {NESTING}"),
    ("\n".join(" " * i + "a:" for i in range(1200)), f"40:40 {NESTING}"),
    ("a: &a [x,x,x,x,x,x,x,x,x,x]\n" + LAUGHS, f"1:12 {UNFOLDS}"),
    (f"a: &a '{'x' * 400_000}'\nb: [{','.join(['*a'] * 1000)}]\n", f"1:4 {UNFOLDS}"),  # few values, endless text
    ("a: &a [*a]\n", f"1:4 {UNFOLDS}"),
    ("levers: &a\n  talent: *a\n", f"1:9 {UNFOLDS}"),
    (f"[{'1,' * 200_000}1]", f"1:400000 {UNFOLDS}"),
], ids=["brackets", "dashes", "braces", "blocks", "billion laughs", "long laughs", "recursive", "recursive mapping", "too many values"])
def test_nesting_and_aliases_without_end(text: str, expected: str, tmp_path: Path) -> None:
    assert problems(tmp_path, text) == [expected]


def test_forty_levels_and_an_honest_alias_are_read(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("a: " + "[" * 39 + "]" * 39)
    read(file)
    file.write_text("levers:\n  talent: &full {level: 1, start: 2021}\n  green: *full\nregion: thz\n")
    levers = validate(ScenarioFile, read(file)).levers
    assert levers["talent"] == levers["green"]


def test_whole_numbers_without_end(tmp_path: Path) -> None:
    text = f"runs: {'9' * 5000}\nseed: 12345678901234567890\nhorizon: -{'1' * 19}\nparameters: {{rd_lag: {'0' * 30}2}}\n"
    remedy = "Give it in a larger unit; quote it if it is text."
    assert problems(tmp_path, text) == [f"1:7 a whole number of 5,000 digits is too long. | {remedy}",
                                        f"2:7 a whole number of 20 digits is too long. | {remedy}",
                                        f"3:10 a whole number of 19 digits is too long. | {remedy}"]


def test_no_is_norway_and_words_stay_words(tmp_path: Path) -> None:
    file = tmp_path / "norway.yaml"
    words = ["no", "yes", "on", "off", "y", "n", "No", "1_000", "12:30", "2021-06-01", "1e", "0b11", "nil", ".", "--", "+.e1", "1 2"]
    file.write_text("".join(f"w{i}: {word}\n" for i, word in enumerate(words)) + "no: norway\non: 1\n")
    assert list(read(file).data.items()) == [*((f"w{i}", w) for i, w in enumerate(words)), ("no", "norway"), ("on", 1)]


@pytest.mark.parametrize(("text", "value"), [
    ("010", 10), ("0o17", 15), ("0x1F", 31), ("+5", 5), ("-0", 0), ("1.", 1.0), (".5", 0.5), ("1e3", 1000.0), ("-1.5E-2", -0.015),
    ("~", None), ("null", None), ("", None), ("true", True), ("FALSE", False), ("'5'", "5"), ('"true"', "true"), ("!!str 5", "5"),
    ("|-\n  5", "5"), (".inf", float("inf")), ("-.INF", float("-inf")),
])
def test_plain_values_are_those_of_yaml_1_2(text: str, value: object, tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(f"a: {text}\n")
    found = read(file).data["a"]
    assert (type(found), found) == (type(value), value)


PLACES = """\
region: thz
paths:
  gdp:
    values: {2021: 1, '2025': 2}
report_years:
  - 2025
  - 2035
"""


def document(folder: Path, text: str = PLACES) -> Document:
    (folder / "a.yaml").write_text(text)
    return read(folder / "a.yaml")


@pytest.mark.parametrize(("path", "of_key", "expected"), [
    ((), False, (1, 1)), (("region",), False, (1, 9)), (("region",), True, (1, 1)), (("paths", "gdp", "values", 2021), False, (4, 20)),
    (("paths", "gdp", "values", "2025"), True, (4, 23)), (("report_years", 1), False, (7, 5)), (("report_years", 9), False, (6, 3)),
    (("paths", "gdp", "total"), False, (4, 5)), (("nowhere", "at", "all"), True, (1, 1)), (("region", "inside"), True, (1, 1)),
    (("paths", "²"), False, (3, 3)), (("paths", "--5"), False, (3, 3)),
])
def test_place_of_a_value_a_key_or_the_nearest_parent(path: tuple[str | int, ...], of_key: bool, expected: tuple[int, int],
                                                      tmp_path: Path) -> None:
    where = document(tmp_path).place(path, of_key)
    assert (where.line, where.column) == expected


def test_places_of_all_keys(tmp_path: Path) -> None:
    found = document(tmp_path).places()
    assert {path: (p.line, p.column) for path, p in found.items()} == {
        "region": (1, 1), "paths": (2, 1), "paths/gdp": (3, 3), "paths/gdp/values": (4, 5), "paths/gdp/values/2021": (4, 14),
        "paths/gdp/values/2025": (4, 23), "report_years": (5, 1)}


def test_without_moves_up_what_stands_behind_with_its_place(tmp_path: Path) -> None:
    less = document(tmp_path).without([("report_years", 0), ("region",), ("nowhere",), ("paths", "gdp", "values", "2021")])
    assert less.data == {"paths": {"gdp": {"values": {"2025": 2}}}, "report_years": (2035,)}
    assert less.place(("report_years", 0)).line == 7
    assert not less.holds(("region",))
    assert less.holds(("paths", "gdp", "values", "2025"))
    assert less.holds(("report_years", 0))
    assert not less.holds(("report_years", 1))


def test_what_is_valid_is_kept_for_further_checks(tmp_path: Path) -> None:
    value, rest, found = usable(ScenarioFile, document(tmp_path, (
        "region: thz\nlevers: {talent: {levl: 1}, green: {level: 1}}\nlabel: {zh: 5, en: x}\nruns: !!int '1'\nseed: 5\n")))
    assert value == ScenarioFile(region="thz", seed=5, levers={"green": value.levers["green"]})
    assert rest.data == {"region": "thz", "levers": {"green": {"level": 1}}, "seed": 5}
    assert [p.what for p in found] == ["levers.talent.levl: no such key.", "label.zh: 5 is not text.", "the tag !!int is not read here."]


def test_a_message_of_endless_or_unprintable_text_is_cut_and_spelt_out() -> None:
    text = str(Problem("x" * 5000, "\x1b[31mred\u202e", Place(Path("a.yaml"), 1, 2)))
    assert text == f"a.yaml:1:2  {'x' * 1000}… (5,000 characters)\n    \\x1b[31mred\\u202e"


def test_an_error_survives_the_way_from_a_worker_process() -> None:
    invalid = InvalidInput([Problem("a", "b", Place(Path("c"), 1, 2)), Problem("d")])
    again = pickle.loads(pickle.dumps(invalid))
    assert (type(again), again.problems, str(again)) == (InvalidInput, invalid.problems, "c:1:2  a\n    b\nd")
    missing = pickle.loads(pickle.dumps(MissingExtra("numba", "fast")))
    assert (type(missing), str(missing)) == (MissingExtra, "numba is not installed.\n    pip install 'simulate[fast]'")


def test_problems_in_the_order_of_the_files_and_told_once() -> None:
    def at(file: str, line: int, column: int) -> Problem:
        return Problem("x", where=Place(Path(file), line, column))

    assert in_order([at("b", 9, 1), at("a", 2, 2), Problem("y"), at("b", 1, 5), at("a", 2, 1), at("b", 9, 1)]) == [
        at("b", 1, 5), at("b", 9, 1), at("a", 2, 1), at("a", 2, 2), Problem("y")]


def test_nearest_names() -> None:
    assert nearest("rd_suport", ["talent", "rd_support"]) == "Did you mean 'rd_support'?"
    assert nearest("zzz", ["b", "a"], "Levers") == "Levers: a, b."
    assert nearest("zzz", [], "Set") == "Set: none."
    assert nearest("zzz", ["a"]) == ""
    assert nearest("zzz", map(str, range(100)), "All").endswith(", 61, 62, ….")


def test_a_place_reads_from_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert str(Place(tmp_path / "a.yaml", 3, 1)) == "a.yaml:3:1"
    assert str(Place(Path("/elsewhere/a.yaml"), 3)) == "/elsewhere/a.yaml:3"


# --- whatever a file holds: a value or InvalidInput, nothing else

WORDS = st.sampled_from([
    "region", "horizon", "levers", "paths", "values", "talent", "level", "statements", "document", "indicator", "at", "thz", "year", "2025",
    "1.5", ".nan", "~", "true", "-", "- ", ": ", ":\n  ", "\n", "\n- ", "\n  ", "  ", "{", "}", "[", "]", ",", "&a ", "*a ", "!!int ",
    "!x ", "'", '"', "#", "|", ">", "? ", "%", "@", "\t", "²", "高新区", "9" * 30, "<<"])


def survives(folder: Path, content: bytes) -> None:
    file = folder / "fuzz.yaml"
    file.write_bytes(content)
    for kind in (ScenarioFile, SeedFile, tuple[Indicator, ...]):
        try:
            validate(kind, read(file))
        except InvalidInput as invalid:
            found = invalid.problems
        else:
            continue
        assert found
        assert all(p.what and p.where is not None and p.where.file == file for p in found)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


@settings(max_examples=300, deadline=None)
@given(content=st.binary(max_size=200))
def test_any_bytes(folder: Path, content: bytes) -> None:
    survives(folder, content)


@settings(max_examples=300, deadline=None)
@given(content=st.text(max_size=200))
def test_any_text(folder: Path, content: str) -> None:
    survives(folder, content.encode("utf-8", "surrogatepass"))


@settings(max_examples=400, deadline=None)
@given(words=st.lists(WORDS, max_size=40))
def test_any_yaml_like_text(folder: Path, words: list[str]) -> None:
    survives(folder, "".join(words).encode())


SCALARS = (st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
           | st.sampled_from(["table", "gdp", "亿元", "equal", "thz"]))
KEYS = st.sampled_from([*ScenarioFile.__dataclass_fields__, *SeedFile.__dataclass_fields__, "indicator", "at", "locus", "zh", "en", "level",
                        "start", "size", "values", "total", "period", "2025", "uniform", "value", "year", "int", "float", "[key]", "", "/"])
TREES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5), max_leaves=25)


@settings(max_examples=200, deadline=None)
@given(tree=st.dictionaries(KEYS, TREES, max_size=6))
def test_any_tree_of_known_keys(folder: Path, tree: dict[str, object]) -> None:
    survives(folder, json.dumps(tree).encode())  # JSON is YAML
