"""Publish a model on ModelScope's hub with the page, as `make web` built it, in its folder web/.

python examples/web/publish.py --repo OWNER/NAME [--model DIR] [--page build/web] [--private] [--dry-run]

The model's directory is checked as `modelscope-handkp publish` does it; the token is that of `modelscope login` or of
the variable MODELSCOPE_API_TOKEN. Who has downloaded the model serves its folder web/ with any static server.
"""

import argparse
import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from modelscope_handkp.cli.publish import in_units
from modelscope_handkp.errors import HandkpError, MissingFileError
from modelscope_handkp.model_dir.hub import find_model_dir
from modelscope_handkp.plugin.publishing.client import Client
from modelscope_handkp.plugin.publishing.publish import check_id, prepare

FOLDER = "web"  # of the page in the model's directory
NEEDED = ("index.html", "files.json", "model/export.json")  # of a page


def gather(model, page, place):
    """Copy the model's directory and the page into one folder; returns the names of the page's files in it."""
    missing = [name for name in NEEDED if not (page / name).is_file()]
    if missing:
        raise MissingFileError(f"{page} has no {', '.join(missing)}: build the page with make web.")
    shutil.copytree(model, place, ignore=shutil.ignore_patterns(FOLDER, ".*"))
    shutil.copytree(page, place / FOLDER, ignore=shutil.ignore_patterns(".*"))
    return [path.relative_to(place).as_posix() for path in sorted((place / FOLDER).rglob("*")) if path.is_file()]


def publish(repo, model, page, private, dry_run):
    check_id(repo)
    client = None if dry_run else Client()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder, "model")
        names = gather(find_model_dir(model), page, place)
        publication = prepare(place, repo)
        sizes = {name: (place / name).stat().st_size for name in names}
        for name, size in publication.files.items():
            print(f"  {name}  {in_units(size)}")
        print(f"  {FOLDER}/  {in_units(sum(sizes.values()))} in {len(sizes)} files")
        publication = replace(publication, files={**publication.files, **sizes})
        if client is None:
            print(f"dry run: nothing was sent to {repo}.")
        else:
            print(f"published: {publication.send(client, private)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repo", required=True, metavar="OWNER/NAME", help="the model on the hub")
    parser.add_argument("--model", help="a model directory, the one that the page was built from (default: embedded)")
    parser.add_argument("--page", type=Path, default=Path("build/web"), help="what make web built (%(default)s)")
    parser.add_argument("--private", action="store_true", help="create the model so that only its owner sees it")
    parser.add_argument("--dry-run", action="store_true", help="check and show what would be sent; send nothing")
    arguments = parser.parse_args()
    try:
        publish(arguments.repo, arguments.model, arguments.page, arguments.private, arguments.dry_run)
    except HandkpError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
