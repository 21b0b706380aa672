"""``python -m client``: sign in, ask, measure and examine, on a terminal or in a script."""

from __future__ import annotations

import typer

from client.commands import asking, doctor, identity, measure

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)

app.command()(identity.login)
app.command()(identity.token)
app.command()(identity.whoami)
app.command()(identity.logout)
app.add_typer(identity.users, name="users")
app.command("ask")(asking.ask_command)
app.command()(asking.chat)
app.command()(measure.timeline)
app.command("bench")(measure.bench_command)
app.command()(doctor.doctor)


def main() -> None:
    """Run the command line."""
    app(prog_name="python -m client")


if __name__ == "__main__":
    main()
