"""mkdocs' hooks for the docs as a site: the README is its first page, and links to files of the
project that are no pages become their names."""

import re
from pathlib import Path

from mkdocs.structure.files import File

README = Path(__file__).parents[1] / "README.md"
ELSEWHERE = re.compile(r"\[([^\]]+)\]\(\.\./([^)]+)\)")


def on_files(files, config):
    text = README.read_text(encoding="utf-8")
    # as the pages in docs/ have them
    text = re.sub(r"\]\((?!docs/|https?:|#)", "](../", text).replace("](docs/", "](")
    files.append(File.generated(config, "index.md", content=text))
    return files


def on_page_markdown(markdown, **_):
    def named(link):
        text, path = link.groups()
        return f"`{path}`" if text.split("/")[-1] == path.split("/")[-1] else f"{text} (`{path}`)"

    return ELSEWHERE.sub(named, markdown)
