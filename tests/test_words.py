"""Phrases that make netscope's texts hard to read, and what to write instead.

A phrase is a regular expression, in which a blank matches a line break as well; of code, each string and comment line
is searched alone.
"""

import json
import re
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

PHRASES = {
    r"\bsteps? of training\b": "training step",
    r"\bwhole,? or not at all\b": "atomically",
    r"\b(measured|run|done|made|alternate|several) in turns\b": "interleaved",
    r"\bof (its|their|your|our|one's|netscope's|torch's) own\b": "separate, dedicated, or drop it",
    r"\bbeside (others|theirs)\b": "compared with other tools",
    r"\banew\b": "again, from scratch",
    r"\breckon(s|ed|ing)?\b": "compute, measure from",
    r"\btwins?\b": "meta copy, copy",
    r"\blent\b": "user-provided, passed in",
    r"\bas asked\b": "as requested",
    r"\b(was|were|is|are) asked (before|again)\b|\b(asked|given) before\b": "cached",
    r"\bsaid (of|to be)\b": "reported for, described as",
    r"\bsays? so\b": "reports it, a note names it",
    r"\b(it|that|this|which|they) (is|are) to be\b": "must be",
    r"\b(has|have|had) to be\b": "must be",
    r"\bstands? for\b": "means, matches, corresponds to",
    r"\bstands? (beside|behind|before|below|above|alone|there|apart)\b": "is next to, follows, precedes, is in",
    r"\b(is|are|was|were|be) told\b|\btold (by|as|apart|of)\b": "shown, reported, distinguished",
    r"\b(nothing|what) (is|was) known\b": "metadata of X; X is unknown",
    r"\bwhom\b": "name the module or process",
    r"\b(nobody|no one)\b": "name the module or process",
    r"\b(held|holds?|holding|set) against\b": "compared with",
    r"\bor else\b": "otherwise; default:",
    r"\bhow (surely|sure)\b": "confidence interval",
    r"\bbeforehand\b": "in advance",
    r"\beven so\b": "anyway, still",
    r"\ball the same\b": "anyway, still",
    r"\bmeanwhile\b": "during the measurement, while tracing",
    r"\blikewise\b": "repeat the sentence, or 'same as A'",
    r"\bwhere there (is|are)\b": "if available, if any",
    r"\bgoes with\b": "requires, is used with",
    r"\bwhat was kept\b|\bwhat is kept\b": "cached results",
    r"\b(normali|utili|synchroni|summari|initiali|quanti|optimi|recogni|parametri|seriali|visuali)s(e|ed|es|er|ing|ation)\b":
        "American spelling: -ize",
    r"\b(neighbour|colour|behaviour|centre|favour|labelled|modelled|artefact)": "American spelling",
}  # fmt: skip
"""Never right here, whether in the documentation or in the code."""

CODE = PHRASES | {
    r"\bthere (is|are) no [\w ]+ [{'\"]": "unknown X 'y', or X 'y' not found",
    r"\b(is|are) no (\w+ ){0,2}(file|type|module|number|shape|name|architecture|dtype)\b": "is not a X",
}
DOCS = PHRASES | {
    r"\b(figure|figures) of (its|their)\b": "value, count",
    r"\bnetscope (tells|says|knows)\b": "netscope reports, shows",
    r"\basked for\b": "requested",
    r"\bmatrix products?\b": "matmul",
}

GENERATED = re.compile(r"reference/(commands|files|schema)\.md|explanation/(\w+-table|throughput-\w+)\.md")


PAGES = [
    *(path for path in ROOT.glob("docs/**/*.md") if not GENERATED.search(path.as_posix())),
    *ROOT.glob("*.md"),
    *(ROOT / name for name in ("action.yml", "mkdocs.yml", ".pre-commit-hooks.yaml", "docs/notebook.ipynb")),
]


def prose(path):
    """Returns the text of a page; code, which comes from the program, and links are blank."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        cells = json.loads(text)["cells"]
        text = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    code = r"^```.*?^```$|`[^`\n]+`|\]\([^)]*\)|\S+\.(md|json|pt2?)\b"
    return re.sub(code, lambda block: "\n" * block[0].count("\n"), text, flags=re.MULTILINE | re.DOTALL)


def texts_of_code():
    """Yields the comments and strings of the package by path, each with its first line."""
    kinds = {tokenize.COMMENT, tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", None)}
    for path in ROOT.glob("netscope/**/*.py"):
        with tokenize.open(path) as file:
            yield from (
                (path, token.start[0], token.string)
                for token in tokenize.generate_tokens(file.readline)
                if token.type in kinds
            )


def found(texts, phrases):
    """Returns a line for each phrase that is found, with its place and what to write instead."""
    patterns = {re.compile(phrase.replace(" ", r"\s+"), re.IGNORECASE): advice for phrase, advice in phrases.items()}
    return sorted(
        f"{path.relative_to(ROOT)}:{first + text[: match.start()].count(chr(10))}: {match[0]!r} → {advice}"
        for path, first, text in texts
        for pattern, advice in patterns.items()
        for match in pattern.finditer(text)
    )


@pytest.mark.parametrize("name", [path.relative_to(ROOT).as_posix() for path in sorted(PAGES)])
def test_the_documentation_is_plain(name):
    lines = found([(ROOT / name, 1, prose(ROOT / name))], DOCS)
    assert not lines, "\n".join(["write instead:", *lines])


def test_the_texts_of_the_code_are_plain():
    texts = list(texts_of_code())
    assert texts
    lines = found(texts, CODE)
    assert not lines, "\n".join(["write instead:", *lines])


def test_a_phrase_is_found_with_its_line():
    text = "one\na step\nof training\n"
    assert found([(ROOT / "a.md", 1, text)], DOCS) == ["a.md:2: 'step\\nof training' → training step"]
    assert found([(ROOT / "a.md", 1, "a training step")], DOCS) == []
