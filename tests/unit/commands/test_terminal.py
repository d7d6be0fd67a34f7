import pytest

from netra_backend.app.commands.terminal import Screen, harmless


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain\ttext\n", "plain\ttext\n"),
        ("Größe 寸法 🙂", "Größe 寸法 🙂"),
        ("\x1b[2J\x1b]0;title\x07", "\\u001b[2J\\u001b]0;title\\u0007"),
        ("a\rb\x08\x00\x7f", "a\\u000db\\u0008\\u0000\\u007f"),
        ("\x9b31m\x85", "\\u009b31m\\u0085"),
        ("exe.\u202etxt\u2066", "exe.\\u202etxt\\u2066"),
        ("\ud800", "\\ud800"),
    ],
)
def test_what_could_act_on_a_terminal_is_spelled_out(text: str, shown: str):
    assert harmless(text) == shown


def test_everything_a_screen_writes_is_harmless(capsys):
    screen = Screen()
    evil = "\x1b[31m[red]x[/red]\u202e"
    screen.line(evil, (evil, "dim"))
    screen.write(evil)
    screen.remark(evil)
    captured = capsys.readouterr()
    assert "\x1b" not in captured.out + captured.err
    assert "\u202e" not in captured.out + captured.err
    assert captured.out.count("[red]x[/red]") == 3


def test_a_line_begins_a_line_whatever_was_written_before(capsys):
    screen = Screen()
    screen.write("flowing ")
    screen.write("text")
    screen.line("line")
    screen.write("more\n")
    screen.line("line")
    screen.write("half")
    screen.remark("remark")
    captured = capsys.readouterr()
    assert captured.out == "flowing text\nline\nmore\nline\nhalf\n"
    assert captured.err == "remark\n"


def test_long_lines_are_left_to_the_terminal_to_wrap(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    screen = Screen()
    screen.line("word " * 30)
    screen.write("x" * 100)
    assert capsys.readouterr().out == "word " * 30 + "\n" + "x" * 100
