"""Every setting is an option of `prospect-fit serve`, and the other way round."""

from app.cli.main import load
from app.settings import Settings

SERVE = load("serve")
OPTIONS = {option.name: option for option in SERVE.params if option.name != "help"}


def test_settings_and_options_are_the_same() -> None:
    assert set(OPTIONS) == set(Settings.model_fields)
    assert {name: option.opts for name, option in OPTIONS.items()} == {
        name: [f"--{name.replace('_', '-')}"] for name in Settings.model_fields
    }


def test_an_option_that_is_not_given_leaves_the_setting_alone() -> None:
    assert {option.default for option in OPTIONS.values()} == {None}


def test_each_says_what_it_does() -> None:
    assert [name for name, option in OPTIONS.items() if not option.help] == []
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []
