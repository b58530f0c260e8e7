"""How Sphinx makes a site of the pages, which stay as they are on GitHub, and lie as in the repository."""

import html
import tomllib
from fnmatch import fnmatch
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx import addnodes
from sphinx.application import Sphinx

_ROOT = Path(__file__).parent.parent.parent
_INDEX = "docs/index"
# What leads elsewhere than on GitHub.
_PAGES = {"spec/token-api.openapi.yaml": "reference.html", "README.md": f"{_INDEX}.html"}
# Which pages there are, as patterns, by chapters in their order; a page that fits none is in the last one.
_CHAPTERS = {
    "Use it": ("docs/integrate", "clients/*"),
    "Run it": (
        "docs/deploy*",
        "docs/azure-functions",
        "docs/container",
        "docs/kubernetes",
        "docs/operations",
        "deploy/*",
    ),
    "Judge it": (
        "docs/security",
        "SECURITY",
        "docs/architecture",
        "benchmarks/RESULTS",
        "spec/CHANGELOG",
        "CHANGELOG",
    ),
    "Change it": ("CONTRIBUTING", "docs/contribute"),
    "Decisions": ("docs/decisions/*",),
    "More": ("*",),
}

_package = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
project = "LiveKit Token API"
version = release = _package["version"]
project_copyright = "the LiveKit Token API maintainers"

extensions = ["myst_parser"]
root_doc = _INDEX
include_patterns = [
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "benchmarks/RESULTS.md",
    "clients/**/README.md",
    "deploy/**/README.md",
    "docs/**",
    "spec/CHANGELOG.md",
]
# Sphinx looks into every folder that is not left out.
_left_out = ["node_modules", ".*", "__pycache__", "dist"]
exclude_patterns = ["app", "tests", *_left_out, *(f"**/{name}" for name in _left_out)]
nitpicky = True
# Examples are cut short, and in languages that only GitHub knows: they may stay without colours.
suppress_warnings = ["misc.highlighting_failure"]

myst_enable_extensions = ["html_image"]
myst_fence_as_directive = ["mermaid"]
myst_heading_anchors = 4

html_theme = "furo"
html_title = f"{project} {version}"
html_static_path = ["static", "node_modules/@mermaid-js/tiny/dist"]
html_extra_path = ["extra"]
templates_path = ["templates"]
html_css_files = ["site.css"]
html_favicon = "../../examples/voice-room/icon.svg"
html_js_files = [("diagrams.js", {"defer": "defer"})]
html_copy_source = False
html_show_sphinx = False
html_sidebars = {
    "**": [
        "sidebar/brand.html",
        "sidebar/search.html",
        "sidebar/scroll-start.html",
        "reference.html",
        "sidebar/navigation.html",
        "sidebar/scroll-end.html",
        "sidebar/variant-selector.html",
    ]
}


class _Mermaid(Directive):  # type: ignore[misc]  # docutils ships no types
    """A diagram, which the reader's browser draws: on GitHub as here."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        source = html.escape("\n".join(self.content))
        return [nodes.raw("", f'<pre class="mermaid">{source}</pre>', format="html")]


def _add_contents(app: Sphinx, docname: str, source: list[str]) -> None:
    """Give the first page its table of contents, which on GitHub would be a block of code."""
    if docname != _INDEX:
        return
    rest = sorted(app.env.found_docs - {_INDEX})
    for title, patterns in _CHAPTERS.items():
        pages = [page for pattern in patterns for page in rest if fnmatch(page, pattern)]
        rest = [page for page in rest if page not in pages]
        lines = "\n".join(f"/{page}" for page in pages)
        source[0] += f"\n```{{toctree}}\n:hidden:\n:caption: {title}\n\n{lines}\n```\n" if pages else ""


def _lead_on(app: Sphinx, doctree: nodes.document) -> None:
    """Have links to the contract lead to its reference; a link to a folder, which is no page, is words."""
    for link in [*doctree.findall(addnodes.download_reference), *doctree.findall(addnodes.pending_xref)]:
        if link.get("refdomain") == "doc":
            path = _ROOT / f"{link['reftarget']}.md"
        else:
            path = Path(app.env.relfn2path(link["reftarget"], app.env.docname)[1])
        if page := _PAGES.get(str(path.relative_to(_ROOT))):
            uri = f"{'../' * app.env.docname.count('/')}{page}"
            link.replace_self(nodes.reference("", "", *link.children, refuri=uri))
        elif path.is_dir():
            link.replace_self(link.children)


def setup(app: Sphinx) -> None:
    """Have Sphinx do so."""
    app.add_directive("mermaid", _Mermaid)
    app.connect("source-read", _add_contents)
    app.connect("doctree-read", _lead_on)
