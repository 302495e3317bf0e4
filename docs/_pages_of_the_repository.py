"""Takes what the pages show from elsewhere in the repository into the site.

In the repository a page links to `../results/picture.png`, which lies beside docs/ and
not in it; on the site both lie in one tree.
"""

from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parent.parent
PAGES = ("ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md")


def on_files(files: Files, config: Any) -> Files:
    """Adds the pages beside README, and the results that pages link to."""
    shown = [*PAGES, *(f"results/{p.name}" for p in (ROOT / "results").glob("*.*"))]
    for name in shown:
        if name.endswith((".md", ".png")):
            files.append(File.generated(config, name, abs_src_path=str(ROOT / name)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Links out of docs/ become links within the site."""
    return markdown.replace("](../results/", "](results/").replace("](docs/", "](")
