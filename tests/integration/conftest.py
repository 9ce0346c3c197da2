"""Shared by the tests of where netscope meets a project: its git repository."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

NETSCOPE = Path(sys.executable).with_name("netscope")

GIT_ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "A",
    "GIT_AUTHOR_EMAIL": "a@example.org",
    "GIT_COMMITTER_NAME": "A",
    "GIT_COMMITTER_EMAIL": "a@example.org",
    "PYTHONDONTWRITEBYTECODE": "1",
}


@dataclass(frozen=True)
class Repository:
    path: Path

    def git(self, *arguments):
        finished = subprocess.run(
            ["git", *arguments], cwd=self.path, env=GIT_ENVIRONMENT, capture_output=True, text=True, check=False
        )
        assert finished.returncode == 0, finished.stderr
        return finished.stdout.strip()

    def write(self, files):
        for name, text in files.items():
            path = self.path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")

    def commit(self, files, *, without=()):
        """The commit that adds these files."""
        self.write(files)
        for name in without:
            (self.path / name).unlink()
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "x")
        return self.git("rev-parse", "HEAD")

    def netscope(self, *arguments, folder=".", **environment):
        assert NETSCOPE.exists(), "netscope is not installed beside this interpreter"
        return subprocess.run(
            [NETSCOPE, *arguments],
            cwd=self.path / folder,
            env={**GIT_ENVIRONMENT, **environment},
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )


@pytest.fixture(scope="session")
def new_repository(tmp_path_factory):
    """Makes an empty git repository."""

    def make():
        repository = Repository(tmp_path_factory.mktemp("repository"))
        repository.git("init", "--quiet", "--initial-branch=main")
        return repository

    return make
