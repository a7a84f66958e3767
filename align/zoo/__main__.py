"""Lists, shows, makes and exchanges the trained models of the zoo.

python -m align.zoo                                        # all models on this machine
python -m align.zoo lift                                   # the card of one
python -m align.zoo my_robot --export runs/late_seed0      # a run as a model of the zoo
python -m align.zoo --pull OWNER/NAME                      # from the Hugging Face Hub, or a folder
python -m align.zoo my_robot --push OWNER/NAME
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import tyro

from datasets.command import command, parse
from datasets.errors import OptionError

log = logging.getLogger(__name__)


def run(
    names: tyro.conf.Positional[tuple[str, ...]] = (),
    export: Path | None = None,
    out: Path | None = None,
    pull: str | None = None,
    push: str | None = None,
) -> None:
    """Lists, shows, makes and exchanges the trained models of the zoo.

    Args:
        names: Names of models; their cards are shown unless another option says what to do.
        export: Write this trained and measured run as the model that is named.
        out: Folder for the exported model; by default where fetched models lie, so that zoo:NAME
            finds it.
        pull: Fetch the named models, or all, from this folder or repository of the Hugging Face
            Hub (OWNER/NAME).
        push: Upload the named models to this repository of the Hugging Face Hub.
    """
    with command():
        _require_one_action(export=export, pull=pull, push=push)
        if out is not None and export is None:
            raise OptionError(
                f"--out {out} is for an exported model: give --export, or leave it out."
            )
        if export is not None:
            _export(export, names, out)
        elif pull is not None:
            from align.zoo.hub import pull as fetch

            for path in fetch(pull, names):
                _tell(path)
        elif push is not None:
            from align.zoo.hub import push as upload

            print(upload(push, names))
        else:
            _show(names)


def _require_one_action(**actions: object) -> None:
    given = [f"--{name}" for name, value in actions.items() if value is not None]
    if len(given) > 1:
        raise OptionError(f"{' and '.join(given)} exclude each other: give one of them.")


def _export(run: Path, names: Sequence[str], out: Path | None) -> None:
    from align.zoo.export import export
    from align.zoo.store import fetched_folder

    if len(names) != 1:
        raise OptionError("--export makes one model: give it one name.")
    _tell(export(run, names[0], fetched_folder() if out is None else out))


def _tell(path: Path) -> None:
    from align.zoo.store import PREFIX, hides_bundled

    print(path)
    if hides_bundled(path):
        log.warning(
            "%s%s is now this model. Delete the file to have the one that comes along again.",
            PREFIX,
            path.stem,
        )


def _show(names: Sequence[str]) -> None:
    from align.results.text import NO_VALUE, markdown
    from align.zoo.card import Card
    from align.zoo.store import find, stored

    if names:
        print("\n".join(Card.of(find(name)).markdown() for name in names))
        return
    rows = []
    for _, path in sorted(stored().items()):
        card = Card.of(path)
        error = f"{card.scores['test'].alignment_error:.4f}" if "test" in card.scores else NO_VALUE
        sizes = (f"{card.parameters / 1e6:.1f}", error, f"{path.stat().st_size / 1e6:.1f}")
        rows.append([f"zoo:{card.name}", card.method, card.world, *sizes])
    print(markdown(["model", "method", "world", "million parameters", "error, test", "MB"], rows))


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parse(run, "python -m align.zoo", arguments)


if __name__ == "__main__":
    main()
