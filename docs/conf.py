"""How the pages become a site, with `make docs`: strict, so that any warning fails it, and without a network.

The sources are the repository itself: relative links lead to the same place here and on a code host. The API reference
is read from the source text, so nothing is imported, and a module that moves takes its page along.

Sphinx, because it checks every link, reads the roles that the docstrings are written with, and is released several
times a year; MkDocs has had no release since August 2024, and its successor Zensical is not at 1.0 yet.
"""

import ast
import re
import sys
from functools import cache
from itertools import takewhile, zip_longest
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.domains.python import ObjectEntry, PythonDomain
from sphinx.util import logging

ROOT = Path(__file__).resolve().parent.parent

project = "qhybrid_pipelines"
project_copyright = "the authors of qhybrid_pipelines; Apache-2.0"
html_title = project
root_doc = "docs/index"
include_patterns = ["*.md", "docs/**", "data/README.md"]
exclude_patterns = [".*", "**/.*", "build", "data/[!R]*", "docs/_templates"]
extensions = ["myst_parser", "sphinx.ext.napoleon", "autoapi.extension", "sphinxcontrib.mermaid"]

# the pages: Markdown as a code host shows it
myst_heading_anchors = 4
myst_fence_as_directive = ["mermaid"]
myst_enable_extensions = ["dollarmath"]
myst_dmath_allow_space = False
myst_dmath_allow_digits = False  # $5 is money

# the reference: every public name of the package tree, in the order of its module
autoapi_dirs = [str(ROOT / "qhybrid_pipelines")]
autoapi_ignore = ["*/alembic/*"]  # run by Alembic, not imported: it has no packages
autoapi_root = "docs/api"
autoapi_options = ["members", "undoc-members", "show-module-summary"]
autoapi_member_order = "bysource"
autoapi_add_toctree_entry = False
autoapi_keep_files = False
autoapi_python_class_content = "class"
napoleon_numpy_docstring = False
napoleon_use_ivar = True
default_role = "code"
add_module_names = False
python_use_unqualified_type_names = True

# A reference in a docstring must lead somewhere. Excepted are the types of signatures, which mypy checks (they may be aliases
# or come from elsewhere), and the errors of other packages.
nitpicky = True
nitpick_ignore_regex = [("py:class", r".*"), ("py:exc", r"(?!qhybrid_pipelines)\w+\..*")]
suppress_warnings = [
    "autoapi.python_import_resolution",  # names that a module imports from a place that is not rendered
    "ref.python",  # `bytes` in a signature may also be an attribute of somebody
]

# drawn while the site is built, by Mermaid itself in an embedded engine: no browser, and no script in the page
mermaid_cmd = f"{sys.executable} -m mermaidx"
mermaid_output_format = "svg"

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["site.css"]
templates_path = ["_templates"]
html_additional_pages = {"index": "redirect.html"}
html_copy_source = False
html_show_sphinx = False
html_math_renderer = "mathml"

html_sidebars = {
    "**": [
        "sidebar/brand.html",
        "sidebar/search.html",
        "sidebar/scroll-start.html",
        "sidebar/navigation.html",
        "reference.html",
        "sidebar/scroll-end.html",
    ]
}

#: The first page of the API reference.
REFERENCE = f"{autoapi_root}/qhybrid_pipelines/index"
html_context = {"reference": REFERENCE}

#: What needs a docstring, as in ruff's rules D; packages are empty, and their modules say what is in them.
DOCUMENTED = {"module", "class", "exception", "function", "method", "property"}


@cache
def descriptions(module: str) -> dict[str, str]:
    """Return what a module says of its own names, by their names within it: docstrings, and comments `#:` above constants."""
    file = ROOT.joinpath(*module.split(".")).with_suffix(".py")
    text = (file if file.exists() else file.with_suffix("") / "__init__.py").read_text("utf-8")
    lines = text.splitlines()
    found: dict[str, str] = {"": ast.get_docstring(ast.parse(text)) or ""}

    def note(nodes: list[ast.stmt], prefix: str) -> None:
        for node, after in zip_longest(nodes, nodes[1:]):
            match node:
                case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
                    found[prefix + node.name] = ast.get_docstring(node) or found.get(prefix + node.name, "")
                    if isinstance(node, ast.ClassDef):
                        note(node.body, f"{prefix}{node.name}.")
                case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                    above = takewhile(lambda line: line.lstrip().startswith("#:"), reversed(lines[: node.lineno - 1]))
                    comment = [line.lstrip().removeprefix("#:").strip() for line in above][::-1]
                    match after:
                        case ast.Expr(value=ast.Constant(value=str(below))):
                            comment = [below]
                    found[prefix + name] = "\n".join(comment)
                case ast.If() | ast.Try():
                    note([*node.body, *node.orelse], prefix)

    note(ast.parse(text).body, "")
    return found


def skip_member(app: Sphinx, what: str, name: str, obj: Any, skip: bool, options: list[str]) -> bool | None:  # noqa: FBT001, ARG001, PLR0917
    """Warn of a public name without a docstring of its own, and omit constants that nobody described."""
    if skip or what == "package" or any(part.startswith("_") for part in name.split(".")):
        return None
    module = name
    while not (
        ROOT.joinpath(*module.split(".")).is_dir() or ROOT.joinpath(*module.split(".")).with_suffix(".py").exists()
    ):
        module = module.rpartition(".")[0]
    own = descriptions(module).get(name[len(module) + 1 :], "")
    if not own:
        obj.docstring = ""  # not the words of another package's base class
        if what in DOCUMENTED:
            logging.getLogger(__name__).warning("%s %s is public and has no docstring", what, name, type="api")
    elif not obj.docstring:
        obj.docstring = own
    return (what == "data" and not own) or None


def add_contents(app: Sphinx, docname: str, source: list[str]) -> None:
    """Make the contents of the site from the links of the index, which stays plain Markdown.

    A page that the index does not name is in no contents, and that is a warning. The reference stands apart: in the
    contents, its 400 pages would be repeated in the margin of each, and building them would take four times as long.
    """
    if docname == REFERENCE:
        source[0] = f":orphan:\n\n{source[0]}"
    elif docname.startswith(f"{app.config.autoapi_root}/"):
        parent = docname.split("/")[2:-2]
        source[0] += f"\n\nPart of :py:mod:`{'.'.join(parent)}`.\n"
    elif docname == app.config.root_doc:
        for section in source[0].split("\n## ")[1:]:
            pages = dict.fromkeys(re.findall(r"\]\(([^):#]+)\.md[#)]", section))
            lines = ["", "", "```{toctree}", ":hidden:", f":caption: {section.splitlines()[0]}", "", *pages, "```"]
            source[0] += "\n".join(lines)


def visit_math(self: Any, node: nodes.math | nodes.math_block) -> None:
    """Write a formula as MathML, which browsers show by themselves: no script, no font from elsewhere."""
    self.body.append(tex2mathml(node.astext(), as_block=isinstance(node, nodes.math_block)))
    raise nodes.SkipNode


class QuickPythonDomain(PythonDomain):
    """Goes through all names of the reference only for those that can be there, and not for each `str` of a signature."""

    _last_parts: tuple[int, frozenset[str]] = 0, frozenset()

    def find_obj(self, env: Any, modname: Any, classname: Any, name: str, *how: Any) -> list[tuple[str, ObjectEntry]]:
        """Return what a name may mean: objects whose own name is that one, or the last part of it."""
        if self._last_parts[0] != len(self.objects):
            self._last_parts = len(self.objects), frozenset(known.rpartition(".")[2] for known in self.objects)
        if name.removesuffix("()").rpartition(".")[2] not in self._last_parts[1]:
            return []
        return super().find_obj(env, modname, classname, name, *how)


def setup(app: Sphinx) -> None:
    """Connect what is above."""
    app.add_domain(QuickPythonDomain, override=True)
    app.connect("autoapi-skip-member", skip_member)
    app.connect("source-read", add_contents)
    app.add_html_math_renderer("mathml", inline_renderers=(visit_math, None), block_renderers=(visit_math, None))
