"""`make lint`: refuse the names and phrases that docs/style.md rules out, and summaries that are no summaries.

Prints one line for each finding, `path:line: what is wrong`, and exits with 1 when there are any.
"""

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

from infra.cloudformation import ROOT

FOLDERS = ("layers", "functions", "infra", "tests")
MAX_SUMMARY_LENGTH = 72
RIDDLES = frozenset({"found", "told", "given", "asked", "said", "place", "kept", "known"})
QUESTION = re.compile(r"(What|Whether|Who|Whom|Whose|How|Why|Where|Which)\b")
PHRASES = re.compile(
    r"\b(?:is|are) no [a-z]|\bLet [a-z ]+ (?:stop|go on)\b|\bstands? (?:in|at|here|there)\b"
    r"|\b[Ss]omebody else (?:was|is|has)\b|\bside by side\b|\bto whom\b"
)
SUMMARY_VERB = re.compile(r"[A-Z][a-z]+(?<!s)\b(?! is\b)|(?:Dismiss|Access|Address|Process)\b")
MIN_TEXT_LENGTH = 12
"""Shorter texts are data, not sentences."""

DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def main() -> int:
    """Print the findings in the whole tree; return the exit code."""
    findings = [
        f"{path.relative_to(ROOT)}:{line}: {text}"
        for folder in FOLDERS
        for path in sorted((ROOT / folder).rglob("*.py"))
        if path != Path(__file__)
        for line, text in check_file(path)
    ]
    print("\n".join(findings) or "language: nothing to mend")
    return 1 if findings else 0


def check_file(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (line, text of the finding) for one file."""
    source = path.read_text()
    tree = ast.parse(source)
    for node in ast.walk(tree):
        yield from _check_node(node)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT and (phrase := PHRASES.search(token.string)):
            yield token.start[0], f"comment says {phrase[0]!r}"
    if path.is_relative_to(ROOT / "functions") and "@app." in source:
        yield from _check_summaries(tree)


def _check_node(node: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield (line, text of the finding) for the names, docstring and texts of one node, without its children."""
    line = getattr(node, "lineno", 1)
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id in RIDDLES:
        yield line, f"the name {node.id!r} says nothing; name the thing that it holds"
    if isinstance(node, ast.arg) and node.arg in RIDDLES:
        yield line, f"the parameter {node.arg!r} says nothing; name the thing that it holds"
    if isinstance(node, DOCUMENTED) and (docstring := ast.get_docstring(node)) and QUESTION.match(docstring):
        yield line, f"docstring begins like a question: {docstring[:40]!r}; begin with a verb or a noun"
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) > MIN_TEXT_LENGTH:
        for phrase in PHRASES.findall(node.value):
            yield line, f"text says {phrase!r}"


def _check_summaries(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield (line, text of the finding) for routes whose docstring begins with no summary for the documentation."""
    for function in (node for node in tree.body if isinstance(node, ast.FunctionDef)):
        summary = (ast.get_docstring(function) or "").splitlines()[0]
        if len(summary) > MAX_SUMMARY_LENGTH:
            yield function.lineno, f"summary has {len(summary)} characters; at most {MAX_SUMMARY_LENGTH}"
        if not SUMMARY_VERB.match(summary):
            yield function.lineno, f"summary is not imperative: {summary!r}"


if __name__ == "__main__":
    sys.exit(main())
