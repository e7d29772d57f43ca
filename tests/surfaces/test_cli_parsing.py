"""From the words of a command line to a command and its values."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realmconf.errors import InvalidArgument, InvalidPointer, InvalidRealm, RealmconfError
from realmconf.surfaces.cli.commands import COMMANDS, GLOBAL_OPTIONS, GROUPS
from realmconf.surfaces.cli.parsing import HelpWanted, UsageError, read, taken, wants_json
from realmconf.surfaces.cli.table import Command
from realmconf.surfaces.cli.usage import judged, overview


@pytest.mark.parametrize(
    "words",
    [
        ["--realm", "r", "-o", "json", "set", "a.b", "5", "--create", "-m", "why"],
        ["set", "a.b", "5", "--create", "-m", "why", "--realm", "r", "-o", "json"],
        ["set", "--create", "--realm=r", "a.b", "-m", "why", "5", "-ojson"],
        ["-ojson", "set", "-mwhy", "--create", "--realm", "r", "--", "a.b", "5"],
    ],
)
def test_options_stand_anywhere(words):
    """Options are accepted before and after the command and between operands."""
    request = read(words)
    assert request.command.name == "set"
    assert (request.path, request.value) == (("a", "b"), "5")
    assert (request.realm, request.output, request.message) == ("r", "json", "why")
    assert request.create is True


@pytest.mark.parametrize("value", ["-5", "-1.5", "-.5", "-"])
def test_negative_number_is_a_value(value):
    """A number with a minus sign needs no ``--``."""
    assert read(["set", "a", value]).value == value


def test_value_that_looks_like_an_option_follows_two_dashes():
    """``--`` ends the options."""
    request = read(["set", "--create", "--", "a", "--create"])
    assert request.value == "--create"


def test_option_value_may_start_with_a_dash():
    """The word after an option that takes a value is its value."""
    assert read(["set", "a", "1", "-m", "--why--"]).message == "--why--"


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["frobnicate"],
        ["set"],
        ["set", "a", "1", "2"],
        ["set", "a", "1", "--frobnicate"],
        ["set", "a", "1", "--expected-generation"],
        ["set", "a", "1", "--on-conflict", "hope"],
        ["set", "a", "1", "--expected-generation", "1", "--expected", "1-aaaaaaaaaaaa"],
        ["get", "--own", "--effective"],
        ["get", "--format", "xml"],
        ["get", "-o", "yaml"],
        ["get", "--at", "3", "--effective"],
        ["--own"],
        ["replace", "file.toml", "--json", "{}"],
        ["resolve", "--head", "--edit"],
        ["log", "--pat"],
        ["rename", "a"],
        ["policy", "frobnicate"],
        ["completion", "powershell"],
    ],
)
def test_unusable_words_are_a_usage_error(words):
    """What does not form a command is refused before anything is attempted."""
    with pytest.raises(UsageError):
        read(words)


BAD_GENERATIONS = ["-1", "1.0", "5x", "true", '"5"', "+5", "05", " 5", "5 ", "1e3", "", "-0", "0x1"]
BAD_GENERATIONS += ["٥", "²", "1_000", str(2**53), str(2**63), "9" * 5_000, "None", "nan"]


@pytest.mark.parametrize("text", BAD_GENERATIONS)
def test_malformed_generation_is_an_error(text):
    """A precondition that does not parse is refused and never ignored."""
    with pytest.raises(InvalidArgument):
        read(["set", "a", "1", f"--expected-generation={text}"])


@pytest.mark.parametrize("text", ["0", "1", str(2**53 - 1)])
def test_generation_is_a_plain_decimal_number(text):
    """From 0, never written, to the largest there can be."""
    assert read(["set", "a", "1", "--expected-generation", text]).expected_generation == int(text)


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["get", "--realm", "no such"], InvalidRealm),
        (["get", "--realm", "../etc"], InvalidRealm),
        (["get", "--realm", ""], InvalidRealm),
        (["get", "--realm", "a" * 65], InvalidRealm),
        (["get", "--realm", "01890a5d-ac96-774b-bcce-b302099a8057"], InvalidRealm),
        (["get", "a..b"], InvalidPointer),
        (["get", "/a~2b"], InvalidPointer),
        (["get", 'a."b'], InvalidPointer),
        (["get", "a\udcffb"], InvalidPointer),
        (["get", "/" + "a" * 100_000], InvalidPointer),
        (["get", "/a" * 1_000], RealmconfError),
        (["get", "--at", "0"], InvalidArgument),
        (["log", "-n", "0"], InvalidArgument),
        (["log", "-n", "-5"], InvalidArgument),
        (["get", "--timeout", "-1"], InvalidArgument),
        (["get", "--timeout", "nan"], InvalidArgument),
        (["get", "--timeout", "inf"], InvalidArgument),
        (["get", "--timeout", "1e99"], InvalidArgument),
        (["compact", "--older-than", "90"], InvalidArgument),
        (["compact", "--older-than", "-1d"], InvalidArgument),
        (["compact", "--keep", "0"], InvalidArgument),
        (["show", "1.0"], InvalidArgument),
    ],
)
def test_malformed_argument_is_a_typed_error(words, error):
    """G12: every argument is of its form, or refused with the error of its kind."""
    with pytest.raises(error):
        read(words)


def test_age_has_a_unit():
    """``90d`` is ninety days."""
    assert read(["compact", "--older-than", "90d"]).older_than == 90 * 86_400


def test_unknown_command_gets_a_proposal():
    """A slip of the finger is answered with what was probably meant."""
    with pytest.raises(UsageError, match="did you mean rollback"):
        read(["rolback", "3"])


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["-o", "json", "nonsense"], True),
        (["nonsense", "--output=json"], True),
        (["set", "a", "--", "-ojson"], False),
        (["get", "-o", "text"], False),
        ([], False),
    ],
)
def test_errors_are_json_even_where_the_words_are_unusable(words, wanted):
    """A program that asked for JSON gets JSON, whatever else was wrong with its words."""
    assert wants_json(words) is wanted


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_command_explains_itself(command):
    """Help names each option and operand of a command."""
    with pytest.raises(HelpWanted) as wanted:
        read([command.name, "--help"])
    for option in (*command.options, *GLOBAL_OPTIONS):
        assert all(name in str(wanted.value) for name in option.names)
    for operand in command.operands:
        assert operand.label in str(wanted.value)


def test_overview_lists_every_command():
    """``realmconf --help`` names all commands, each in a group that is shown."""
    assert {command.group for command in COMMANDS} == set(GROUPS)
    for command in COMMANDS:
        assert f"  {command.name} " in overview()


def test_no_option_is_declared_twice():
    """Within one command each name means one thing."""
    for command in COMMANDS:
        options = (*command.options, *GLOBAL_OPTIONS)
        names = [name for option in options for name in option.names]
        names += [operand.destination for operand in command.operands]
        assert len(names) == len(set(names)), command.name
        assert len({option.destination for option in options}) == len(options), command.name


def test_every_command_has_its_function():
    """The function that the table names is there."""
    from importlib import import_module

    for command in COMMANDS:
        module, _, name = command.run.partition(":")
        assert callable(getattr(import_module(module), name)), command.name


VALUES = st.sampled_from(["", "a", "1", "-1", "--", "-x", "--own", "json", "fail", "a=b", "set"])


def command_lines() -> st.SearchStrategy[tuple[Command, list[str], list[str]]]:
    """A command with options, each with its value in one word, and operands; many of them unusable."""

    def of(command: Command) -> st.SearchStrategy[tuple[Command, list[str], list[str]]]:
        names = [name for option in (*command.options, *GLOBAL_OPTIONS) for name in option.names]
        known = st.sampled_from([*names, "--unknown", "-", "-mwhy"])
        # Of two dashes as the value of an option argparse makes an empty list.
        values = VALUES.filter(lambda value: value != "--")
        option = st.one_of(known, st.builds("{}={}".format, known, values))
        return st.tuples(
            st.just(command), st.lists(option, max_size=4), st.lists(VALUES, max_size=4)
        )

    return st.sampled_from(COMMANDS).flatmap(of)


@settings(max_examples=400, deadline=None)
@given(command_lines())
def test_usual_words_are_taken_as_argparse_would(line):
    """What is taken without argparse is what argparse makes of the same words."""
    command, named, plain = line
    found = taken(command, named, plain)
    if found is not None:
        assert found == judged(command, named, plain)


def test_two_dashes_may_be_the_value_of_an_option():
    """A value is never taken for the end of the options."""
    assert read(["set", "a", "1", "-m", "--"]).message == "--"


@pytest.mark.parametrize(
    ("named", "plain"),
    [
        ([], []),
        ([], ["agent.model"]),
        (["--own", "--output=json"], ["agent.model"]),
        (["--with-generation", "--realm=demo", "--at=3"], []),
    ],
)
def test_usual_words_need_no_argparse(named, plain):
    """The everyday forms of ``get`` are among the usual ones."""
    command = next(command for command in COMMANDS if command.name == "get")
    found = taken(command, named, plain)
    assert found == judged(command, named, plain)
