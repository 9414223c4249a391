"""Makes the pages of docs/ a site: takes in the pages of plugins, and lets links that leave
docs/ end at those pages, or at the repository. A link to what does not exist is a warning,
which ends a strict build.
"""

import logging
import posixpath
import re
import subprocess
from pathlib import Path

from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parents[2]
LINK = re.compile(r"(\]\(|\]: )(?!https?:|mailto:|#)([^)\s#]*)(#[^)\s]*)?")
GO_DOC = re.compile(r"<!-- go doc: (\S+) -->")
log = logging.getLogger("mkdocs.hooks.plume")


def page_of(path):
    """Returns the page of the site that shows a path of the repository, or None."""
    if path.startswith("docs/"):
        path = path.removeprefix("docs/")
        return path + "/README.md" if (ROOT / "docs" / path / "README.md").exists() else path
    found = re.fullmatch(r"plugins/([a-z0-9-]+)(/README\.md)?", path)
    return f"reference/plugins/{found[1]}.md" if found else None


def go_doc(package):
    done = subprocess.run(["go", "doc", "-all", "./" + package], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout


def on_files(files, config):
    for readme in sorted((ROOT / "plugins").glob("*/README.md")):
        name = readme.parent.name
        files.append(File.generated(config, f"reference/plugins/{name}.md", content=readme.read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown, page, config, files):
    at = page.file.src_uri
    plugin = re.fullmatch(r"reference/plugins/(.*)\.md", at)
    source = f"plugins/{plugin[1]}/README.md" if plugin else "docs/" + at
    if plugin:
        page.edit_url = f"{config.repo_url}/blob/main/{source}"

    def link(found):
        begin, target, anchor = found[1], found[2], found[3] or ""
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        to = page_of(path)
        shown = files.get_file_from_path(to) if to else None
        if shown and shown.inclusion.is_included():
            return begin + posixpath.relpath(to, posixpath.dirname(at)) + anchor
        if not (ROOT / path).exists():
            log.warning("%s links to %s, which does not exist", source, path)
        kind = "tree" if (ROOT / path).is_dir() else "blob"
        return f"{begin}{config.repo_url}/{kind}/main/{path}{anchor}"

    markdown = GO_DOC.sub(lambda found: "```text\n" + go_doc(found[1]) + "```", markdown)

    def text(part):  # a number stays on the line of its error
        return LINK.sub(link, part).replace(" ± ", "\u00a0±\u00a0")

    # code is left alone
    parts = re.split(r"(^```.*?^```$|`[^`\n]+`)", markdown, flags=re.MULTILINE | re.DOTALL)
    return "".join(part if k % 2 else text(part) for k, part in enumerate(parts))
